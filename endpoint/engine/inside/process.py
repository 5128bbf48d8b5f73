"""vLLM's engine in a process that the supervisor started, for any number of API processes.

`AsyncLLM` starts an engine for itself alone. Here the engine gets the addresses of all its clients at its start; each
API process then has an `AsyncLLM` that only connects (endpoint/engine/client.py). Requests and calls carry their
client's number, and vLLM sends each result to that client's socket.
"""

from __future__ import annotations

from multiprocessing.connection import Connection
from threading import Thread
from typing import TYPE_CHECKING, Any

from endpoint.config import Settings, add_environment
from endpoint.engine.placement import Environment, addresses
from endpoint.errors import EndpointError, EngineFailed

if TYPE_CHECKING:
    from vllm.config import VllmConfig


def run(report: Connection, settings: Settings, environment: Environment, base: str, clients: int) -> int:
    """Run the engine until a signal ends it; sends None to `report` when it is ready. Raises EndpointError.

    base: of its ZeroMQ addresses, as its clients' links have it.
    """
    add_environment(environment)  # before torch is loaded
    from endpoint.engine.arguments import load_args

    try:
        args = load_args(settings).args
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.core import EngineCoreProc
        from vllm.v1.executor import Executor

        config = args.create_engine_config(UsageContext.ENGINE_CONTEXT)
        Thread(target=_introduce, args=(config, base, clients, report), daemon=True).start()
        EngineCoreProc.run_engine_core(
            vllm_config=config,
            local_client=True,
            handshake_address=_greeting(base),
            executor_class=Executor.get_class(config),
            log_stats=not args.disable_log_stats,
        )
    except EndpointError:
        raise
    except Exception as error:  # vLLM has logged it
        raise EngineFailed(f"the engine of {settings.model_name} failed: {error}") from error
    return 0


def _greeting(base: str) -> str:
    return f"{base}-hello"


def _introduce(config: VllmConfig, base: str, clients: int, report: Connection) -> None:
    """The other side of vLLM's handshake: sends the clients' addresses, and waits until the model is loaded."""
    import zmq
    from vllm.utils.network_utils import zmq_socket_ctx
    from vllm.v1.engine import utils

    sends, gets = zip(*(addresses(base, client) for client in range(clients)), strict=True)
    where = utils.EngineZmqAddresses(inputs=list(sends), outputs=list(gets))
    launch = utils.CoreEngineLaunch(None, None, where, None)
    with zmq_socket_ctx(_greeting(base), zmq.ROUTER, bind=True) as socket:
        engines: list[Any] = [utils.CoreEngine(0, local=True)]
        utils.wait_for_engine_startup(socket, engines, config.parallel_config, False, config.cache_config, launch)
    report.send(None)
