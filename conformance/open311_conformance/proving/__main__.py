"""``python -m open311_conformance.proving``: does every check catch its own fault?

Runs the suite against the reference server, which must pass, then against one mutation of
it after another. Prints a table; the last line is JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from open311_conformance import engine, registry
from open311_conformance.model import Clause, Level, Profile, Verdict
from open311_conformance.proving.faults_lists import LISTS
from open311_conformance.proving.faults_reading import OLD_CHANGESET, READING
from open311_conformance.proving.faults_writing import WRITING
from open311_conformance.proving.messages import Answer, Ask
from open311_conformance.proving.mutation import Mutation
from open311_conformance.proving.reference import JURISDICTION, KEY, PRIVATE_ID, ReferenceServer
from open311_conformance.proving.serving import Respond, reference
from open311_conformance.run import Run
from open311_conformance.target import Aim
from open311_conformance.wire.client import Manners

MUTATIONS = [*READING, *WRITING, *LISTS]
HEALTHY = Mutation("", "no fault")
HEALTHY_MULTI = Mutation("", "no fault, several jurisdictions", multi=True)
BUSY_AT = 40  # the reference server asks once to slow down, so that C-237 has something to see


@dataclass(frozen=True)
class Catch:
    """What a run against one mutation gave: clause id to verdict."""

    mutation_index: int
    verdicts: dict[str, str]

    @property
    def failed(self) -> set[str]:
        """The clauses that failed."""
        return {name for name, verdict in self.verdicts.items() if verdict == Verdict.FAILED}


def busy_once(server: ReferenceServer, mutation: Mutation) -> Respond:
    """The mutated server, which answers 429 to one request."""
    mutated = mutation.into(server)
    seen = 0

    def respond(ask: Ask) -> Answer:
        nonlocal seen
        seen += 1
        if seen == BUSY_AT:
            answer = Answer(429, b"", {"Retry-After": "0"})
            if mutation.clause == "C-237" and mutation.after:
                mutation.after(ask, answer)
            return answer
        return mutated(ask)

    return respond


def run_against(index: int) -> Catch:
    """One full run against a fresh server with one mutation (-1, -2: without)."""
    mutation = {-1: HEALTHY, -2: HEALTHY_MULTI}.get(index) or MUTATIONS[index]
    with reference(lambda server: busy_once(server, mutation), multi=mutation.multi) as url:
        aim = Aim(
            url=url,
            api_key=KEY,
            write=True,
            yes=True,
            jurisdiction_id=JURISDICTION if mutation.multi else "",
            private_id=PRIVATE_ID,
            patience_s=2.0,
            previous={"catalogue": "another", "changeset": OLD_CHANGESET},
        )
        run = Run(aim, Manners(concurrency=2, delay_s=0, timeout_s=10), tuple(Profile))
        engine.execute(run)
    verdicts = {name: outcome.verdict.value for name, outcome in run.outcomes.items()}
    return Catch(index, verdicts)


def prove(chosen: list[int]) -> tuple[list[Catch], list[Catch]]:
    """The healthy runs and the mutated ones, on all processors."""
    with ProcessPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        results = list(pool.map(run_against, [-1, -2, *chosen]))
    return results[:2], results[2:]


def line(catch: Catch) -> str:
    """One line of the table."""
    mutation = MUTATIONS[catch.mutation_index]
    caught = "caught" if mutation.clause in catch.failed else "MISSED"
    others = sorted(catch.failed - {mutation.clause})
    return f"{mutation.clause:<6} {caught}  {mutation.title:<52} {' '.join(others)}".rstrip()


def judged_when_healthy(healthy: list[Catch]) -> set[str]:
    """The clauses that reached a verdict on the reference server."""
    silent = (Verdict.NOT_TESTED, Verdict.BROKEN)
    return {
        name
        for catch in healthy
        for name, verdict in catch.verdicts.items()
        if verdict not in silent
    }


def standard() -> list[Clause]:
    """The clauses of the standard, extensions left out."""
    return [c for c in registry.clauses().values() if c.level is not Level.EXTENSION]


def unproven(judged: set[str]) -> list[str]:
    """The M and S clauses that are judged and that no mutation breaks."""
    faulted = {mutation.clause for mutation in MUTATIONS}
    weighty = [c.id for c in standard() if c.level in (Level.MUST, Level.SHOULD)]
    return [name for name in weighty if name in judged and name not in faulted]


def tell(healthy: list[Catch], catches: list[Catch]) -> list[Catch]:
    """Print the table; the runs in which a check broke."""
    for catch in healthy:
        title = {-1: HEALTHY, -2: HEALTHY_MULTI}[catch.mutation_index].title
        print(f"{title}: {len(catch.failed)} failures {' '.join(sorted(catch.failed))}")
    for catch in catches:
        print(line(catch))
    broken = [c for c in (*healthy, *catches) if Verdict.BROKEN in c.verdicts.values()]
    for catch in broken:
        names = [name for name, verdict in catch.verdicts.items() if verdict == Verdict.BROKEN]
        print(f"a check broke with mutation {catch.mutation_index}: {' '.join(names)}")
    return broken


def main() -> int:
    """Print the table; 0 when the healthy server passes and every fault is caught."""
    started = time.monotonic()
    wanted = {name.upper() for name in sys.argv[1:]}
    chosen = [i for i, m in enumerate(MUTATIONS) if not wanted or m.clause in wanted]
    healthy, catches = prove(chosen)
    broken = tell(healthy, catches)
    judged = judged_when_healthy(healthy)
    missing = unproven(judged)
    print(f"M and S clauses without a mutation: {' '.join(missing) or 'none'}")
    print(f"{time.monotonic() - started:.0f} s")
    caught = [c for c in catches if MUTATIONS[c.mutation_index].clause in c.failed]
    figures = {
        "clauses": len(standard()),
        "clauses_checked": sum(clause.id in judged for clause in standard()),
        "mutations": len(catches),
        "caught": len(caught),
        "collateral": sum(len(c.failed) - 1 for c in caught),
    }
    print(json.dumps(figures))
    sound = not any(catch.failed for catch in healthy) and not broken
    return 0 if sound and len(caught) == len(catches) and not missing else 1


if __name__ == "__main__":
    sys.exit(main())
