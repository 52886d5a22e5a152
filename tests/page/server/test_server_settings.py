"""The server's settings: from the environment, and none that is none."""

from __future__ import annotations

import pytest

from cvpire.errors import SettingsError
from page.server.settings import ServerSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("CVPIRE_KEEP_MINUTES", value) for value in ("0", "-1", "nan", "inf", "an hour", "1,5")],
        *[("CVPIRE_JOBS_PER_VISITOR", value) for value in ("0", "-1", "1.5", "many", "1e3")],
        *[("CVPIRE_QUEUE_PLACES", value) for value in ("0", "x", "9" * 30)],
        *[("CVPIRE_TRUSTED_PROXY_HEADER", value) for value in ("a b", "x:y", "ü")],
    ],
)
def test_a_setting_that_is_none_is_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"expected .* for {name}, got "):
        ServerSettings.from_environment({name: value})


def test_settings_come_from_the_environment() -> None:
    assert ServerSettings.from_environment({"CVPIRE_KEEP_MINUTES": " "}) == ServerSettings()
    given = {
        "CVPIRE_KEEP_MINUTES": "7.5",
        "CVPIRE_JOBS_PER_VISITOR": "2",
        "CVPIRE_QUEUE_PLACES": " 20 ",
        "CVPIRE_TRUSTED_PROXY_HEADER": "X-Real-IP",
    }
    assert ServerSettings.from_environment(given) == ServerSettings(7.5, 2, 20, "X-Real-IP")
