"""
Signing in by OpenID Connect: the authorization code flow with PKCE, with any provider that describes itself.

    settings    what is told of a provider
    asking      HTTP to it, within bounds
    provider    its description and its keys
    tokens      whether an ID token is to be believed
    claims      names, and the values that grant roles
    flows       sign-ins that are under way, in cookies of their browsers
    door        all of it: from the button to the session
"""
