"""The role that fires tasks on time: triggers, and schedules as code declares them."""
