"""vLLM reads its environment when it is imported, which the test modules do at once."""

from importlib.util import find_spec

from hocket.serving.live.vllm.tiny import prepare

if find_spec("vllm") is not None:
    prepare()
