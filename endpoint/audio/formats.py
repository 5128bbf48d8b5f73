"""What is taken: the containers and codecs that FFmpeg may open. The error message and the documents are made of these.

Left out on purpose: playlists and descriptions that name other files (HLS, DASH, concat, SDP), images and subtitles,
headerless data that any bytes would pass for, and the formats of games.
"""

from __future__ import annotations

# What people record speech in; everything else FFmpeg knows is refused before its parser runs.
FORMATS = (
    "aac", "ac3", "act", "aiff", "alp", "amr", "ape", "asf", "au", "avi", "caf", "dsf", "dss", "dts", "dtshd", "eac3",
    "flac", "flv", "gxf", "iff", "ircam", "loas", "matroska", "webm", "mov", "mp4", "m4a", "3gp", "3g2", "mj2", "mlp",
    "mp3", "mpc", "mpc8", "mpeg", "mpegts", "mxf", "nistsphere", "nut", "oga", "ogg", "oma", "rm", "shn", "sox", "tak",
    "truehd", "tta", "voc", "w64", "wav", "wtv", "wv",
)  # fmt: skip
# Decoders that may run: no video decoder is ever opened, not even to look at the stream.
CODECS = frozenset({
    "aac", "aac_latm", "ac3", "adpcm_g722", "adpcm_g726", "adpcm_g726le", "adpcm_ima_oki", "adpcm_ima_qt",
    "adpcm_ima_wav", "adpcm_ms", "adpcm_swf", "adpcm_yamaha", "alac", "amrnb", "amrwb", "ape", "atrac1", "atrac3",
    "atrac3al", "cook", "dca", "dsd_lsbf", "dsd_lsbf_planar", "dsd_msbf", "dsd_msbf_planar", "dss_sp", "eac3",
    "flac", "g722", "g723_1", "g726", "g726le", "g729", "gsm", "gsm_ms", "ilbc", "libopencore_amrnb",
    "libopencore_amrwb", "libopus", "mace3", "mace6", "mlp", "mp1", "mp1float", "mp2", "mp2float", "mp3",
    "mp3float", "mpc7", "mpc8", "nellymoser", "opus", "pcm_alaw", "pcm_bluray", "pcm_dvd", "pcm_f16le", "pcm_f24le",
    "pcm_f32be", "pcm_f32le", "pcm_f64be", "pcm_f64le", "pcm_mulaw", "pcm_s16be", "pcm_s16be_planar", "pcm_s16le",
    "pcm_s16le_planar", "pcm_s24be", "pcm_s24le", "pcm_s24le_planar", "pcm_s32be", "pcm_s32le", "pcm_s32le_planar",
    "pcm_s64be", "pcm_s64le", "pcm_s8", "pcm_s8_planar", "pcm_u16be", "pcm_u16le", "pcm_u24be", "pcm_u24le",
    "pcm_u32be", "pcm_u32le", "pcm_u8", "qcelp", "qdm2", "ralf", "ra_144", "ra_288", "real_144", "real_288",
    "s302m", "shorten", "sipr", "speex", "tak", "truehd", "truespeech", "tta", "vorbis", "wavpack", "wmalossless",
    "wmapro", "wmav1", "wmav2", "wmavoice",
})  # fmt: skip
WELL_KNOWN = "wav, flac, mp3, ogg, m4a, mp4, webm, mkv, amr, aiff, wma, caf, avi, mpegts, mxf or dts"
# Of those, what FFmpeg reads from the front to the end once it has opened it.
FORWARD = frozenset({"aac", "ac3", "aiff", "amr", "au", "eac3", "flac", "mp3", "mpegts", "ogg", "w64", "wav"})
# Their header says how long the sound is; that of others is a guess, or is found by looking for the end.
DECLARE_LENGTH = frozenset({
    "aiff", "ape", "au", "avi", "caf", "dsf", "flac", "flv", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "mpc", "mpc8",
    "nistsphere", "tak", "tta", "voc", "w64", "wav", "wv",
})  # fmt: skip
# Their encoders leave silence out: a gap between packets is no damage.
SENDS_NO_SILENCE = frozenset({"opus", "libopus", "amrnb", "amrwb", "libopencore_amrnb", "libopencore_amrwb", "g729"})
