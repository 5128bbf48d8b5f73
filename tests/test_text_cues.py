from dataclasses import replace

from endpoint.text.cues import laid_out, notices_of, one_line
from endpoint.text.layout import Layout
from endpoint.types import Word
from tests.api_support import NASTY, TRANSCRIPT, segment


def test_a_line_has_no_breaks_of_any_kind():
    assert one_line(" a\n\n b\r\n\x0bc\0 ") == "a b c"


def test_without_a_layout_a_cue_is_a_segment():
    transcript = replace(TRANSCRIPT, segments=(segment(0, 5, 5, NASTY), segment(1, 9, 10, "  ")))
    (cue,) = laid_out(transcript, None)
    assert (cue.start_ms, cue.end_ms) == (5, 6)


def test_notices_say_what_a_layout_could_not_do():
    fast = tuple(Word(f" {'long' * 5}", k * 10, k * 10 + 10) for k in range(20))
    one = replace(segment(0, 0, 200, "".join(word.text for word in fast)), words=fast)
    layout = Layout("broadcast")
    transcript = replace(TRANSCRIPT, segments=(one,))
    codes = [notice.code for notice in notices_of(transcript, laid_out(transcript, layout))]
    assert codes == ["subtitles_fast"]
    codes = [notice.code for notice in notices_of(TRANSCRIPT, laid_out(TRANSCRIPT, layout))]
    assert codes == ["word_times_guessed"]
