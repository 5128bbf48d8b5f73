"""Word errors on human speech, beside other Whisper systems on the same weights: python -m benchmarks.human"""
