"""``python -m open311_conformance.proving.serve``: the reference server, to try the suite on."""

import time

from open311_conformance.proving.reference import KEY
from open311_conformance.proving.serving import reference

if __name__ == "__main__":
    with reference() as url:
        print(f"{url}  --api-key {KEY}", flush=True)
        while True:
            time.sleep(3600)
