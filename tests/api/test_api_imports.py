import json
import subprocess
import sys

PROGRAM = """
import json, sys
from api.app import create_app
from api.settings import ApiSettings, hash_token
from nas_controller.store.memory import MemoryStore
app = create_app(MemoryStore(), None, ApiSettings(token_sha256=hash_token("t"), session_secret="s" * 32))
app.openapi()
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_the_api_loads_neither_torch_nor_ray() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=120)
    loaded = set(json.loads(done.stdout))
    assert "fastapi" in loaded
    assert loaded.isdisjoint({"torch", "torchvision", "ray", "numpy", "scipy", "optuna"})
