"""A harness of verifiers that makes its one model call in this process, for `test_verifiers_env.py`."""

from typing import Any

import httpx
import verifiers.v1 as vf
from verifiers.v1.configs.harness import HarnessConfig
from verifiers.v1.dialects.chat import message_to_wire

__all__ = ["ScriptedHarness"]


class ScriptedConfig(HarnessConfig):
    pass


class ScriptedHarness(vf.Harness[ScriptedConfig]):
    APPENDS_SYSTEM_PROMPT = True
    EXECUTES_CODE = False
    NEEDS_CONTAINER = False

    async def launch(
        self, ctx: Any, trace: Any, runtime: Any, endpoint: str, secret: str, mcp_urls: Any, data: Any, **options: Any
    ) -> vf.ProgramResult:
        body = {"model": ctx.model, "messages": [message_to_wire(message) for message in data.prompt]}
        async with httpx.AsyncClient() as http:
            url, headers = f"{endpoint}/chat/completions", {"Authorization": f"Bearer {secret}"}
            answer = await http.post(url, headers=headers, json=body)
        return vf.ProgramResult(int(answer.is_error), "", answer.text)
