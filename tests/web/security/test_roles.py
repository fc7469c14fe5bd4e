"""Users, roles, actions."""

from __future__ import annotations

import pytest

from onebeat.errors import ConfigurationError
from onebeat.web.security.roles import ACTIONS, ALWAYS, OWN, Role, User, allowed, refusal


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("role", Role)
def test_a_role_may_do_what_needs_it_or_less(role: Role, action: str) -> None:
    """View, operate, admin: each may do what those before it may."""
    assert (role >= ACTIONS[action]) is allowed(User("ann", role), action, "mail")


def test_nobody_may_change_anything_by_looking() -> None:
    """No action needs the role view alone, but what concerns nobody else."""
    assert set(OWN) == {action for action, role in ACTIONS.items() if role is Role.VIEW}


@pytest.mark.parametrize("user", [User("ann", "view"), User("bob", None, {"mail": "view"}), User("eve", None)])
def test_whoever_is_let_in_changes_what_is_their_own(user: User) -> None:
    """But not where the console is read-only."""
    assert {None} == {refusal(user, action) for action in OWN}
    assert None not in {refusal(user, action, read_only=True) for action in OWN}


def test_a_role_on_a_queue_comes_before_that_on_all() -> None:
    """More on one, less on another; on the rest, and on what belongs to no queue, that on all."""
    user = User("bob", "view", {"mail": "operate", "payroll": None})
    roles = {queue: user.role_on(queue) for queue in ("mail", "payroll", "reports", None)}
    assert {"mail": Role.OPERATE, "payroll": None, "reports": Role.VIEW, None: Role.VIEW} == roles


def test_a_user_may_see_some_queues_only() -> None:
    """Without a role on all, what is not named is not there."""
    user = User("bob", None, {"mail": "view"})
    assert [True, False, False] == [user.sees(queue) for queue in ("mail", "reports", None)]
    assert not user.sees_all


def test_a_name_comes_before_a_pattern_and_a_long_one_before_a_short_one() -> None:
    """Whatever their order."""
    user = User("bob", None, {"*": "view", "mail-*": "operate", "mail-vip": "admin"})
    found = [user.role_on(queue) for queue in ("mail-vip", "mail-bulk", "reports")]
    assert [Role.ADMIN, Role.OPERATE, Role.VIEW] == found


def test_what_is_about_several_queues_needs_the_role_on_each() -> None:
    """One queue without it refuses all, and is named."""
    user = User("bob", "view", {"mail": "operate"})
    assert refusal(user, "task.run", ["mail"]) is None
    assert "task.run needs the role operate on queue 'reports'; bob has view there." == refusal(
        user, "task.run", ["mail", "reports"]
    )


def test_what_is_about_no_queue_needs_the_role_on_all() -> None:
    """Neither an operator nor the administrator of one queue stops servers."""
    user = User("bob", "operate", {"mail": "admin"})
    assert "server.stop needs the role admin; bob has operate there." == refusal(user, "server.stop")
    assert refusal(user, "server.stop", []) is not None


def test_read_only_refuses_every_action_to_everybody() -> None:
    """Whatever the role."""
    found = {refusal(User("ann", "admin"), action, ["mail"], read_only=True) for action in {*ACTIONS} - ALWAYS}
    assert 1 == len(found)
    assert "read-only" in str(found)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": ""}, "name of a user is '': give 1 to 200 characters"),
        ({"name": "a\nb"}, "name of a user is"),
        ({"name": "ann", "role": "root"}, "role is 'root': give view, operate or admin"),
        ({"name": "ann", "queues": {"mail": "all"}}, "role is 'all'"),
        ({"name": "ann", "queues": ["mail"]}, "give roles by queue"),
    ],
)
def test_a_user_that_cannot_be_is_refused(wrong: dict[str, object], sentence: str) -> None:
    """With the value and what to give."""
    with pytest.raises(ConfigurationError) as caught:
        User(**wrong)  # type: ignore[arg-type]
    assert sentence in str(caught.value)
