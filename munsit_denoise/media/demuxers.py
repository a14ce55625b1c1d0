"""Which of ffmpeg's demuxers may read a client's file, and why the others may not.

ffmpeg chooses the demuxer by the content of the file. Each one is code that processes untrusted bytes, so those that no
recording needs are left out, above all those that open other files. Names are those of `ffmpeg -demuxers`.
"""

ALLOWED = (
    # written by recorders, phones, cameras, editors and browsers
    *("wav", "w64", "aiff", "caf", "au", "voc", "nistsphere", "flac", "mp3", "aac", "ac3", "eac3", "ogg", "amr"),
    *("mov", "matroska", "avi", "asf", "mpegts", "mpeg", "flv", "mxf", "nut", "gxf", "wtv", "dv"),
    # older or rarer, with a signature
    *("amrnb", "amrwb", "gsm", "dss", "qcp", "ilbc", "rm", "oma", "xwma", "adx", "iff", "dsf", "dts", "dtshd"),
    *("mlp", "truehd", "ape", "mpc", "mpc8", "tak", "tta", "wv", "shn"),
)

LEFT_OUT = {
    "They open other files or addresses that the sender names.": (
        "concat dash hls imf rtp rtsp sap sdp vobsub webm_dash_manifest ipmovie lavfi"
    ),
    "They read devices of this machine.": (
        "alsa fbdev iec61883 jack kmsgrab libcdio libdc1394 openal oss pulse video4linux2 v4l2 x11grab"
    ),
    "They have no signature: whatever bytes they get are samples to them, and noise comes out.": (
        "alaw aptx aptx_hd bit codec2raw daud dfpwm f32be f32le f64be f64le g722 g723_1 g726 g726le g729 mulaw "
        "data rawvideo s16be s16le s24be s24le s32be s32le s8 sbc sln u16be u16le u24be u24le u32be u32le u8 vidc adp "
        "apm loas mpegtsraw spdif s337m bitpacked v210 v210x vag sds sdr2 hca adf bin idf xbin act ace"
    ),
    "They are pictures, or films without sound.": (
        "alias_pix apng av1 avs2 avs3 bfi bmp_pipe brender_pix cavsvideo cri_pipe dds_pipe dirac dnxhd dpx_pipe "
        "exr_pipe fits filmstrip gem_pipe gif gif_pipe h261 h263 h264 hevc ico image2 image2pipe ingenient ipu ivf "
        "j2k_pipe jpeg_pipe jpegls_pipe jpegxl_pipe lmlm4 m4v mjpeg mjpeg_2000 mpegvideo mpjpeg obu pam_pipe pbm_pipe "
        "pcx_pipe pfm_pipe pgm_pipe pgmyuv_pipe pgx_pipe phm_pipe photocd_pipe pictor_pipe png_pipe ppm_pipe psd_pipe "
        "qdraw_pipe qoi_pipe sgi_pipe simbiosis_imx sunrast_pipe svg_pipe tiff_pipe vbn_pipe vc1 vc1test "
        "webp_pipe xbm_pipe xpm_pipe xwd_pipe yuv4mpegpipe cdg cdxl hnm tty avs mgsts mlv anm flic txd pp_bnk derf fsb"
    ),
    "They are subtitles, or tell of other streams only.": (
        "aqtitle ass dvbsub dvbtxt ffmetadata jacosub lrc mcc microdvd mpl2 mpsub pjs realtext sami scc srt stl "
        "subviewer subviewer1 sup tedcaptions vplayer webvtt sbg"
    ),
    "They are instructions for synthesizers or trackers, not recordings.": "libgme libopenmpt mmf mods musx",
    "They are encrypted for a shop's own players.": "aa aax",
    "They are games' own formats.": (
        "3dostr 4xm ads aea afc aix alp apc argo_asf argo_brp argo_cvg ast bethsoftvid bfstm bink binka bmv boa brstm "
        "c93 dcstr dfa dsicin dxa ea ea_cdata epaf film_cpk frm fwse genh gdv hcom idcin ifv iss jv kvag lvf lxf mca "
        "mm moflex msf msp mtaf mtv mv mvi mxg nsp pva pmp psxstr r3d redspark rl2 roq rpl rsd rso ser sga siff "
        "smjpeg smk smush sol svag svs thp tiertexseq tmv ty vividas vmd vpk vqf wc3movie wsaud wsd wsvqa xa xmv xvag "
        "yop iv8 kux cine dhav scd sdx luodat"
    ),
    "No recording was met in them for years; nobody would notice their faults.": (
        "acm asf_o avr codec2 ircam ivr live_flv msnwctcp nc nsv nuv paf pvf sox swf vivo wve"
    ),
}
