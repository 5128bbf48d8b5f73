"""Create a Hugging Face Inference Endpoint that runs this image.

pip install huggingface_hub && hf auth login
python deploy/create_endpoint.py whisper --image registry.example.com/whisper-endpoint:1 --dry-run
"""

from __future__ import annotations

import argparse
import json
from typing import Any

PORT = 8000  # the Dockerfile's


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("name", help="the endpoint's name")
    made.add_argument("--image", required=True, help="the pushed image, linux/amd64")
    made.add_argument("--model", default="openai/whisper-large-v3-turbo", help="mounted at /repository")
    made.add_argument("--vendor", default="aws")
    made.add_argument("--region", default="us-east-1")
    made.add_argument("--instance-type", default="nvidia-l4")
    made.add_argument("--instance-size", default="x1")
    made.add_argument("--type", default="authenticated", choices=("public", "authenticated", "private"))
    made.add_argument("--api-key", help="a key of the server's own, in X-API-Key; a public endpoint needs one")
    made.add_argument("--dry-run", action="store_true", help="print the arguments and create nothing")
    return made


def arguments(options: argparse.Namespace) -> dict[str, Any]:
    """Arguments of huggingface_hub.create_inference_endpoint. Where its proxy asks for a token, the server need not."""
    guard = {"secrets": {"API_KEY": options.api_key}} if options.api_key else {}
    allowed = {} if options.api_key else {"ALLOW_ANONYMOUS": "true"}
    return {
        "name": options.name,
        "repository": options.model,
        "framework": "custom",
        "task": "automatic-speech-recognition",
        "accelerator": "gpu",
        "vendor": options.vendor,
        "region": options.region,
        "instance_type": options.instance_type,
        "instance_size": options.instance_size,
        "type": options.type,
        "custom_image": {"url": options.image, "port": PORT, "healthRoute": "/health"},
        "env": {"MODEL_ID": "/repository", "SERVED_MODEL_NAME": options.model, "PORT": str(PORT), **allowed},
        **guard,
    }


def main() -> None:
    options = parser().parse_args()
    if options.type == "public" and not options.api_key:
        parser().error("anyone reaches a public endpoint: give it an --api-key")
    wanted = arguments(options)
    if options.dry_run:
        print(json.dumps(wanted, indent=2))
        return
    from huggingface_hub import create_inference_endpoint

    print(create_inference_endpoint(**wanted).wait().url)


if __name__ == "__main__":
    main()
