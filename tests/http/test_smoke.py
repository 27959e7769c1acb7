"""The shortest way through the whole house."""

from __future__ import annotations

import pytest

from tests.conftest import World, spark


@pytest.mark.parametrize("suffix", ["xml", "json"])
def test_a_posted_request_is_read_back_in_the_list_and_alone(world: World, suffix: str) -> None:
    id_ = world.posted_id(description="Dépôt sauvage & gravats <lourds>")
    for path in ("/requests", f"/requests/{id_}"):
        response = world.get(f"{path}.{suffix}")
        assert response.status_code == 200
        (found,) = spark(response.data, suffix)
        assert found["service_request_id"] == id_
        assert found["description"] == "Dépôt sauvage & gravats <lourds>"
