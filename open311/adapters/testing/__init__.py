"""The contract as tests to inherit: for adapters of this server, and for those of others.

Needs pytest, which the server itself does without. A test file gives a fixture `tool`
(a `Tool`: the real tool or a labelled fake) and inherits `AdapterContract`; if the tool
speaks HTTP, `HttpContract` too, with a `FaultyProxy` between the adapter and the tool.
docs/adapters.md walks through it.
"""

import pytest

# Before they are imported, so that a failed assertion tells its values.
pytest.register_assert_rewrite(
    *(f"{__name__}.{module}" for module in ("contract", "http_contract", "fixtures"))
)

from open311.adapters.testing.cases import Case, proves  # noqa: E402
from open311.adapters.testing.contract import AdapterContract  # noqa: E402
from open311.adapters.testing.fake_server import (  # noqa: E402
    FakeTool,
    Handler,
    Held,
    Reply,
    Request,
    running_fake,
)
from open311.adapters.testing.faulty_proxy import FaultyProxy, faulty_proxy  # noqa: E402
from open311.adapters.testing.harness import (  # noqa: E402
    Behind,
    Seen,
    Tool,
    a_photo,
    a_ticket,
    changes_of,
    deliver,
)
from open311.adapters.testing.http_contract import HttpContract  # noqa: E402

__all__ = [
    "AdapterContract",
    "Behind",
    "Case",
    "FakeTool",
    "FaultyProxy",
    "Handler",
    "Held",
    "HttpContract",
    "Reply",
    "Request",
    "Seen",
    "Tool",
    "a_photo",
    "a_ticket",
    "changes_of",
    "deliver",
    "faulty_proxy",
    "proves",
    "running_fake",
]
