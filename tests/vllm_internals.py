"""Every name of vLLM that is used here and is no part of its documented interface, in one table.

A new vLLM may move any of them: tests/test_vllm_internals.py then fails with the names. Documented are
`vllm` itself, vllm.sampling_params, vllm.outputs and the interfaces of logits processors.
"""

from __future__ import annotations

# Module: names in it; `Class.name` is a method or a property, `Class.__init__:name` an attribute set when it is made,
# `function(name)` a parameter.
INTERNALS: dict[str, tuple[str, ...]] = {
    "vllm.config": ("VllmConfig",),
    "vllm.inputs.engine": ("mm_input", "tokens_input"),
    "vllm.model_executor.layers.attention": ("Attention.__init__:impl", "Attention.__init__:kv_cache"),
    "vllm.model_executor.layers.attention.cross_attention": ("_get_cross_slot_mapping(kv_cache_spec)",),
    "vllm.model_executor.layers.quantization": ("QUANTIZATION_METHODS",),
    "vllm.model_executor.models.whisper": (
        "WhisperDummyInputsBuilder",
        "WhisperForConditionalGeneration.get_multimodal_embeddings | embed_multimodal",
        "WhisperAttention.__init__:head_dim",
        "WhisperAttention.__init__:num_kv_heads",
        "WhisperCrossAttention._init_qkv:kv_proj",
        "WhisperForConditionalGeneration.__init__:model",
        "WhisperMultiModalProcessor._apply_hf_processor_main",
        "WhisperMultiModalProcessor._get_mm_fields_config",
        "WhisperProcessingInfo",
    ),
    "vllm.multimodal": ("MULTIMODAL_REGISTRY",),
    "vllm.multimodal.inputs": (
        "MultiModalFieldConfig.batched",
        "MultiModalFieldElem",
        "MultiModalKwargsItem",
        "MultiModalKwargsItems",
        "PlaceholderRange",
    ),
    "vllm.usage.usage_lib": ("UsageContext.ENGINE_CONTEXT",),
    "vllm.utils.network_utils": ("zmq_socket_ctx",),
    "vllm.v1.core.sched.async_scheduler": ("AsyncScheduler",),
    "vllm.v1.core.sched.scheduler": (
        "Scheduler.__init__:kv_cache_manager",
        "Scheduler.__init__:max_num_running_reqs",
        "Scheduler.__init__:max_num_scheduled_tokens",
        "Scheduler.__init__:requests",
        "Scheduler.__init__:waiting",
        "Scheduler._free_encoder_inputs",
        "Scheduler._try_schedule_encoder_inputs",
        "Scheduler.add_request",
        "Scheduler.finish_requests",
        "Scheduler.get_request_counts",
        "Scheduler.has_unfinished_requests",
        "Scheduler.make_stats",
        "Scheduler.schedule",
        "Scheduler.shutdown",
        "Scheduler.update_from_output",
    ),
    "vllm.v1.core.single_type_kv_cache_manager": (
        "CrossAttentionManager.__init__:block_pool",
        "CrossAttentionManager.__init__:block_size",
        "CrossAttentionManager.__init__:req_to_blocks",
        "CrossAttentionManager.allocate_new_blocks",
        "CrossAttentionManager.get_num_blocks_to_allocate",
    ),
    "vllm.v1.core.block_pool": (
        "BlockPool.__init__:num_gpu_blocks",
        "BlockPool.get_num_free_blocks",
        "BlockPool.touch",
    ),
    "vllm.v1.engine": ("EngineCoreOutput", "EngineCoreOutputs"),
    "vllm.v1.engine.async_llm": (
        "AsyncLLM.collective_rpc",
        "AsyncLLM.errored",
        "AsyncLLM.from_vllm_config(stat_loggers)",
    ),
    "vllm.v1.engine.core": ("EngineCoreProc.run_engine_core",),
    "vllm.v1.engine.utils": ("CoreEngine", "CoreEngineLaunch", "EngineZmqAddresses", "wait_for_engine_startup"),
    "vllm.v1.executor": ("Executor.get_class",),
    "vllm.v1.kv_cache_interface": ("CrossAttentionSpec",),
    "vllm.v1.metrics.loggers": ("PrometheusStatLogger", "PrometheusStatLogger.record"),
    "vllm.v1.outputs": ("LogprobsLists", "LogprobsTensors", "ModelRunnerOutput"),
    "vllm.v1.request": (
        "Request.__init__:mm_features",
        "Request.__init__:num_prompt_tokens",
        "Request.num_tokens",
        "RequestStatus",
    ),
    "vllm.v1.sample.sampler": ("Sampler.gather_specific_token_logprobs(sampled)",),
    "vllm.v1.worker.block_table": ("BlockTable.__init__:num_blocks_per_row", "BlockTable.get_device_tensor"),
    "vllm.v1.worker.gpu_model_runner": (
        "GPUModelRunner.__init__:input_batch",
        "GPUModelRunner.get_model",
    ),
}
