"""What is taken: the containers and codecs that FFmpeg may open. The error message and the documents are made of these.

Left out on purpose: playlists and descriptions that name other files (HLS, DASH, concat, SDP), images and subtitles,
headerless data that any bytes would pass for, and the formats of games.
"""

from __future__ import annotations

# What people record speech in; everything else FFmpeg knows is refused before its parser runs.
FORMATS = (
    "3g2", "3gp", "aac", "ac3", "act", "aea", "aiff", "amr", "ape", "asf", "au", "avi", "avr", "bit", "caf", "dhav",
    "dsf", "dss", "dts", "dtshd", "dv", "eac3", "flac", "flv", "gxf", "hcom", "iff", "ilbc", "ircam", "ivr", "kux",
    "loas", "lxf", "m4a", "matroska", "mj2", "mlp", "mov", "mp3", "mp4", "mpc", "mpc8", "mpeg", "mpegts", "mxf",
    "nistsphere", "nsp", "nsv", "nut", "nuv", "ogg", "oma", "pva", "pvf", "qcp", "rm", "shn", "sox", "tak", "truehd",
    "tta", "ty", "vivo", "voc", "vqf", "w64", "wav", "webm", "wsd", "wtv", "wv", "wve",
)  # fmt: skip
# Decoders that may run: no video decoder is ever opened, not even to look at the stream.
CODECS = frozenset({
    "8svx_exp", "8svx_fib", "aac", "aac_latm", "ac3", "acelp.kelvin", "adpcm_ct", "adpcm_ima_dk3", "adpcm_ima_dk4",
    "adpcm_ima_oki", "adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "adpcm_sanyo", "adpcm_sbpro_2", "adpcm_sbpro_3",
    "adpcm_sbpro_4", "adpcm_swf", "adpcm_yamaha", "alac", "als", "amrnb", "amrwb", "ape", "atrac1", "atrac3",
    "atrac3al", "atrac3plus", "atrac3plusal", "cook", "dca", "dsd_lsbf", "dsd_lsbf_planar", "dsd_msbf",
    "dsd_msbf_planar", "dss_sp", "dst", "dvaudio", "eac3", "evrc", "flac", "ftr", "g722", "g723_1", "g726", "g726le",
    "g728", "g729", "gsm", "gsm_ms", "hcom", "iac", "ilbc", "imc", "libopencore_amrnb", "libopencore_amrwb",
    "libopus", "mace3", "mace6", "metasound", "mlp", "mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3adufloat",
    "mp3float", "mp3on4float", "mpc7", "mpc8", "msnsiren", "nellymoser", "on2avc", "opus", "pcm_alaw", "pcm_bluray",
    "pcm_dvd", "pcm_f16le", "pcm_f24le", "pcm_f32be", "pcm_f32le", "pcm_f64be", "pcm_f64le", "pcm_lxf", "pcm_mulaw",
    "pcm_s16be", "pcm_s16be_planar", "pcm_s16le", "pcm_s16le_planar", "pcm_s24be", "pcm_s24daud", "pcm_s24le",
    "pcm_s24le_planar", "pcm_s32be", "pcm_s32le", "pcm_s32le_planar", "pcm_s64be", "pcm_s64le", "pcm_s8",
    "pcm_s8_planar", "pcm_u16be", "pcm_u16le", "pcm_u24be", "pcm_u24le", "pcm_u32be", "pcm_u32le", "pcm_u8", "qcelp",
    "qdm2", "qdmc", "ralf", "real_144", "real_288", "s302m", "shorten", "sipr", "siren", "speex", "tak", "truehd",
    "truespeech", "tta", "twinvq", "vorbis", "wavpack", "wmalossless", "wmapro", "wmav1", "wmav2", "wmavoice",
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
