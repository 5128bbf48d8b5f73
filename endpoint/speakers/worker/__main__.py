"""`python -m endpoint.speakers.worker`: a diarization process, started by endpoint/speakers/processes.py."""

from endpoint.speakers.worker.process import main

main()
