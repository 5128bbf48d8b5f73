"""`python -m endpoint.audio.worker`: a decoding process, started by endpoint/audio/decode.py."""

from endpoint.audio.worker.process import main

main()
