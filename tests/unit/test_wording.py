"""Schedules in words: what is said is what fires."""

from __future__ import annotations

import pytest

from onebeat.scheduler.triggers import parse_spec
from onebeat.scheduler.wording import in_words


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("@every 1.5s", "every 1.5 s"),
        ("@every 250ms", "every 0.25 s"),
        ("@every 1h30m", "every 1 h 30 min"),
        ("@every 48h", "every 2 d"),
        ("* * * * *", "every minute"),
        ("*/15 * * * *", "every 15 minutes"),
        ("0,30 * * * *", "every 30 minutes"),
        ("*/7 * * * *", "9 minutes (:00, :07 … :56) of every hour"),
        ("5-20/5 * * * *", ":05, :10, :15 and :20 of every hour"),
        ("@hourly", "every hour"),
        ("5 * * * *", ":05 of every hour"),
        ("@daily", "00:00, UTC"),
        ("CRON_TZ=Europe/Berlin 0 3 * * MON-FRI", "03:00 on weekdays, Europe/Berlin"),
        ("30 9,17 * * *", "09:30 and 17:30, UTC"),
        ("0 */2 * * *", "every 2 hours, UTC"),
        ("10 */6 * * *", "00:10, 06:10, 12:10 and 18:10, UTC"),
        ("10 */3 * * *", "every 3 hours at :10, UTC"),
        ("0 8-18 * * *", "every hour from 08:00 to 18:00, UTC"),
        ("30 8-18 * * 1-5", "every hour from 08:30 to 18:30 on weekdays, UTC"),
        ("* 0 * * *", "every minute of hour 0, UTC"),
        ("* 8-17 * * *", "every minute from 08:00 to 17:59, UTC"),
        ("*/20 8-17 * * *", "every 20 minutes from 08:00 to 17:40, UTC"),
        ("*/20 1,3,9 * * *", ":00, :20 and :40 of hours 1, 3 and 9, UTC"),
        ("* 1,3 * * *", "every minute of hours 1 and 3, UTC"),
        ("1,2 1-9 * * *", ":01 and :02 of hours 1 to 9, UTC"),
        ("0 0 * * 0", "00:00 on Sundays, UTC"),
        ("0 0 * * SUN,SAT", "00:00 at weekends, UTC"),
        ("0 0 * * SUN,MON,WED", "00:00 on Mondays, Wednesdays and Sundays, UTC"),
        ("*/5 * * * 1", "every 5 minutes on Mondays, UTC"),
        ("@monthly", "00:00 on day 1, UTC"),
        ("0 0 1,15 * *", "00:00 on days 1 and 15, UTC"),
        ("0 0 1-7 * *", "00:00 on days 1 to 7, UTC"),
        ("0 0 1-31/2 * *", "00:00 on 16 days of the month (1, 3 … 31), UTC"),
        ("@yearly", "00:00 on day 1 in January, UTC"),
        ("0 0 * 1-3 *", "00:00 from January to March, UTC"),
        ("0 0 * JUN,DEC *", "00:00 in June and December, UTC"),
        ("0 0 13 * 5", "00:00 on day 13 or on Fridays, UTC"),
        ("0 0 */2 * 1", "00:00 on 16 days of the month (1, 3 … 31) or on Mondays, UTC"),
        ("0 0 1-31 * 1", "00:00, UTC"),  # either may match, and every day is from 1 to 31
        ("0 0 13 * 0-6", "00:00, UTC"),
    ],
)
def test_a_spec_in_words(spec: str, words: str) -> None:
    """Short, and not more than is true."""
    assert words == in_words(parse_spec(spec))
