// The page's words in English and Arabic, and numbers, sizes and times as either writes them.

/** @type {Record<string, [string, string]>} */
const WORDS = {
	skip: ["Skip to content", "انتقل إلى المحتوى"],
	tagline: ["Noise removal on your own server", "إزالة الضوضاء على خادمك"],
	language: ["العربية", "English"],
	theme: ["Light or dark", "فاتح أو داكن"],
	forget: ["Sign out", "تسجيل الخروج"],
	files: ["Files", "الملفات"],
	admin: ["Admin", "الإدارة"],
	reference: ["API reference", "مرجع الواجهة"],
	key_title: ["Sign in with your API key", "سجّل الدخول بمفتاح الواجهة"],
	key_hint: ["The key stays in this browser. Whoever runs this server gives you one: munsit-denoise keys create --user NAME", "يبقى المفتاح في هذا المتصفح. يعطيك إياه من يدير الخادم: ⁦munsit-denoise keys create --user NAME⁩"],
	key_label: ["API key", "مفتاح الواجهة"],
	key_open: ["Sign in", "دخول"],
	key_wrong: ["This key is wrong, expired or revoked. Please check it and try again.", "هذا المفتاح خاطئ أو منتهٍ أو مُلغى. تحقق منه وحاول مجددًا."],
	key_refused: ["The server no longer accepts this key: it has expired or was revoked. Please enter another one.", "لم يعد الخادم يقبل هذا المفتاح: انتهت صلاحيته أو أُلغي. أدخل مفتاحًا آخر."],
	key_reads: ["This key can only view, listen and download.", "هذا المفتاح للاستماع والاطلاع فقط، لا للإرسال أو الحذف."],
	offline: ["The server cannot be reached. Trying again …", "تعذّر الوصول إلى الخادم. تُعاد المحاولة…"],
	drop_title: ["Drop recordings or videos here", "أفلت التسجيلات أو المقاطع هنا"],
	drop_hint: ["or choose files; noise is removed, the voice stays", "أو اختر ملفات؛ تُزال الضوضاء ويبقى الصوت"],
	choose: ["Choose files", "اختر ملفات"],
	folder: ["Choose a folder", "اختر مجلدًا"],
	record: ["Record", "سجّل"],
	record_stop: ["Stop and send", "أوقف وأرسل"],
	recording: ["Recording", "جارٍ التسجيل"],
	mic_denied: ["The microphone is not available: allow it in the browser, and open this page over https or localhost.", "الميكروفون غير متاح: اسمح به في المتصفح وافتح الصفحة عبر https أو localhost."],
	strength: ["Strength", "الشدة"],
	strength_hint: ["How much of the noise is removed.", "مقدار الضوضاء المُزال."],
	transcription: ["For transcription", "للتفريغ النصي"],
	transcription_hint: ["Leaves some noise, so that speech recognisers make fewer errors.", "يُبقي بعض الضوضاء، فتقل أخطاء برامج التفريغ."],
	quality: ["Quality", "الجودة"],
	quality_hint: ["Best adds a second model and takes three times as long or more.", "يضيف «الأفضل» نموذجًا ثانيًا، ويأخذ ثلاثة أضعاف الوقت أو أكثر."],
	quality_missing: ["Best is not installed on this server. The operator can install it: pip install 'munsit-denoise[best]'", "«الأفضل» غير مثبت على هذا الخادم. ينفّذ مشغّله: ⁦pip install 'munsit-denoise[best]'⁩"],
	standard: ["Standard", "قياسية"],
	best: ["Best", "الأفضل"],
	keep: ["Keep", "ما يبقى"],
	keep_hint: ["“Voice and music” keeps everything louder than the steady background. “Dry voice” removes reverberation too.", "مع الموسيقى يبقى كل ما يعلو على الخلفية الثابتة. ومع «بلا صدى» يُزال صدى الغرفة أيضًا."],
	voice: ["Voice", "الصوت البشري"],
	"voice+music": ["Voice and music", "الصوت البشري والموسيقى"],
	"dry-voice": ["Dry voice", "الصوت البشري بلا صدى"],
	format: ["Format", "الصيغة"],
	format_original: ["As the original", "كالأصل"],
	loudness: ["Loudness", "جهارة الصوت"],
	loudness_keep: ["Leave as it is", "كما هي"],
	loudness_podcast: ["Podcast, −16 LUFS", "بودكاست، ‎−16 LUFS"],
	loudness_broadcast: ["Broadcast, −23 LUFS", "بث، ‎−23 LUFS"],
	loudness_loud: ["Loud, −14 LUFS", "عالٍ، ‎−14 LUFS"],
	uploading: ["Uploading", "جارٍ الرفع"],
	upload_paused: ["Connection lost; continues automatically", "انقطع الاتصال؛ يُستأنف تلقائيًا"],
	checking: ["Checking the file", "فحص الملف"],
	queued: ["Waiting in the queue", "في الانتظار"],
	working: ["Removing noise", "إزالة الضوضاء"],
	pending: ["Working", "قيد العمل"],
	success: ["Done", "تم"],
	failed: ["Failed", "فشل"],
	cancelled: ["Cancelled", "أُلغي"],
	cancel: ["Cancel", "إلغاء"],
	dismiss: ["Dismiss", "إغلاق"],
	retry: ["Try again", "أعد المحاولة"],
	history: ["Your files", "ملفاتك"],
	search: ["Search by name", "ابحث بالاسم"],
	all: ["All", "الكل"],
	older: ["Older", "الأقدم"],
	newer: ["Newer", "الأحدث"],
	pages: ["Pages", "الصفحات"],
	empty_title: ["Nothing here yet", "لا شيء هنا بعد"],
	empty_hint: ["Drop a noisy recording above and hear the difference in a moment.", "أفلت تسجيلًا مشوشًا في الأعلى واسمع الفرق بعد لحظات."],
	empty_search: ["No file matches.", "لا ملف يطابق."],
	listen_now: ["Listen", "استمع"],
	delete: ["Delete", "احذف"],
	deleted: ["Deleted: ", "حُذف: "],
	undo: ["Undo", "تراجع"],
	back: ["All files", "كل الملفات"],
	not_found: ["There is no such file, or it was deleted.", "لا يوجد ملف كهذا أو أنه حُذف."],
	before: ["Before", "قبل"],
	after: ["After", "بعد"],
	residual: ["Residual", "المُزال"],
	play: ["Play", "شغّل"],
	pause: ["Pause", "أوقف مؤقتًا"],
	loop: ["Repeat the selection", "كرّر التحديد"],
	loop_clear: ["Clear the selection", "ألغِ التحديد"],
	mix: ["Strength you hear", "الشدة المسموعة"],
	equal: ["Equal loudness", "جهارة متساوية"],
	position: ["Position", "الموضع"],
	wave: ["Waveform and spectrogram", "شكل الموجة والمخطط الطيفي"],
	wave_hint: ["Click to jump, drag to repeat a part, wheel to zoom. Keys: space, arrows, A, B, R; I and O set start and end of a loop, L ends the loop, + and − zoom.", "انقر للانتقال، اسحب لتكرار جزء، والعجلة للتكبير. المفاتيح: المسافة، الأسهم، A، B، R؛ ‏I وO للتكرار من هنا وإلى هنا، L لإنهائه، + و− للتكبير."],
	loading: ["Loading …", "جارٍ التحميل…"],
	no_sound: ["This browser cannot play the file. The downloads below work all the same.", "لا يستطيع المتصفح تشغيل الملف. التنزيلات أدناه تعمل."],
	no_residual: ["The residual cannot be heard for this file.", "لا يمكن سماع المُزال لهذا الملف."],
	no_pictures: ["No pictures are kept for this file.", "لا صور محفوظة لهذا الملف."],
	downloads: ["Downloads", "التنزيلات"],
	result: ["Result", "النتيجة"],
	original: ["Original", "الأصل"],
	report: ["Report", "التقرير"],
	r_loudness: ["Loudness", "الجهارة"],
	r_peak: ["True peak", "الذروة الحقيقية"],
	r_floor: ["Noise floor", "أرضية الضوضاء"],
	r_snr: ["Signal-to-noise ratio (estimate)", "نسبة الإشارة إلى الضوضاء (تقدير)"],
	r_clipped: ["Clipped samples", "عينات مقصوصة"],
	r_removed: ["Energy of the residual, relative to the original", "طاقة البقية نسبةً إلى الأصل"],
	r_speech: ["Level of the parts with speech", "مستوى مقاطع الكلام"],
	r_measure: ["Measure", "القياس"],
	said_quieter: ["The noise floor is {db} dB lower.", "انخفضت أرضية الضوضاء بمقدار ⁦{db} dB⁩."],
	said_same: ["The noise floor is nearly the same.", "بقيت أرضية الضوضاء كما هي تقريبًا."],
	said_speech_same: ["The parts with speech are as loud as before.", "بقيت مقاطع الكلام بجهارتها السابقة."],
	said_speech_quieter: ["The parts with speech, noise included, are {db} dB quieter.", "صارت مقاطع الكلام، مع ضوضائها، أخفض بمقدار ⁦{db} dB⁩."],
	said_speech_louder: ["The parts with speech, noise included, are {db} dB louder.", "صارت مقاطع الكلام، مع ضوضائها، أعلى بمقدار ⁦{db} dB⁩."],
	code: ["Use it from code", "استخدمه من الشيفرة"],
	copy: ["Copy", "انسخ"],
	copied: ["Copied.", "نُسخ."],
	your_key: ["The key is not shown; put yours in DENOISE_API_KEY.", "لا يُعرض المفتاح؛ ضعه في DENOISE_API_KEY."],
	users: ["Users", "المستخدمون"],
	user: ["User", "المستخدم"],
	keys: ["Keys", "المفاتيح"],
	key_once: ["Shown once; copy it now:", "يُعرض مرة واحدة؛ انسخه الآن:"],
	key_name: ["Name of the key", "اسم المفتاح"],
	scope: ["Scope", "الصلاحية"],
	created: ["Created", "أُنشئ"],
	last_used: ["Last used", "آخر استخدام"],
	expires: ["Expires", "ينتهي"],
	state: ["State", "الحالة"],
	valid: ["valid", "صالح"],
	revoked: ["revoked", "ملغى"],
	revoke: ["Revoke", "ألغِ"],
	balance: ["Balance, minutes", "الرصيد، دقائق"],
	credit: ["Add minutes", "أضف دقائق"],
	key_expiry: ["Expires (30d, or a day)", "ينتهي (30d أو تاريخ)"],
	key_make: ["Create key", "أنشئ مفتاحًا"],
	rotate: ["Replace", "استبدل"],
	rotate_sure: ["Replace this key? The old one stays valid for 24 hours.", "أتستبدل هذا المفتاح؟ يبقى القديم صالحًا 24 ساعة."],
	revoke_sure: ["Revoke this key? It stops working at once.", "أتلغي هذا المفتاح؟ يتوقف فورًا."],
	user_new: ["New user", "مستخدم جديد"],
	scope_full: ["full", "كاملة"],
	scope_read: ["read", "قراءة"],
	scope_admin: ["admin", "إدارة"],
	job_waiting: ["waiting", "تنتظر"],
	job_downloading: ["downloading", "تُنزّل"],
	job_running: ["running", "تعمل"],
	expired: ["expired", "منتهٍ"],
	age: ["Age", "العمر"],
	actions: ["Actions", "إجراءات"],
	queue: ["Queue", "الطابور"],
	queue_empty: ["No jobs are waiting.", "لا مهام منتظرة."],
	shown_oldest: ["The {count} oldest are shown.", "تُعرض أقدم {count} منها."],
	shown_newest: ["The {count} newest are shown.", "يُعرض أحدث {count} منها."],
	disk: ["Disk, free", "القرص، المتاح"],
	stored: ["Stored", "المخزّن"],
	rate: ["Jobs an hour", "مهام في الساعة"],
	speed: ["Real-time factor", "عامل الزمن الحقيقي"],
	never: ["never", "أبدًا"],
	minutes: ["Minutes", "الدقائق"],
	create: ["Create", "أنشئ"],
	broken: ["Something went wrong.", "حدث خطأ ما."],
};

let language = 0;

/** @returns {"en" | "ar"} */
export const currentLanguage = () => (language ? "ar" : "en");

/** @param {string | null} wanted */
export function setLanguage(wanted) {
	language = (wanted ?? navigator.language).startsWith("ar") ? 1 : 0;
	document.documentElement.lang = currentLanguage();
	document.documentElement.dir = language ? "rtl" : "ltr";
}

/** A word of the page, with each `{name}` replaced. @param {string} word @param {Record<string, string | number>} [values] */
export function t(word, values = {}) {
	const text = WORDS[word]?.[language] ?? word;
	return text.replace(/\{(\w+)\}/g, (all, name) => String(values[name] ?? all));
}

const locale = () => (language ? "ar-u-nu-latn" : "en");

/** @param {number} value @param {number} [digits] at the most @param {number} [least] */
export const number = (value, digits = 1, least = 0) =>
	new Intl.NumberFormat(locale(), { maximumFractionDigits: digits, minimumFractionDigits: least }).format(value);

/** @param {number} bytes */
export function size(bytes) {
	const units = ["B", "kB", "MB", "GB", "TB"];
	let power = 0;
	while (bytes >= 1000 && power < units.length - 1) [bytes, power] = [bytes / 1000, power + 1];
	return `${number(bytes, power ? 1 : 0)} ${units[power]}`;
}

/** A time in a recording: `1:02:03.4`. @param {number} seconds @param {number} [digits] */
export function clock(seconds, digits = 0) {
	const whole = Math.max(0, seconds);
	const rest = (whole % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
	const minutes = Math.floor(whole / 60);
	const hours = Math.floor(minutes / 60);
	return hours ? `${hours}:${String(minutes % 60).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** @param {string} iso */
export const day = (iso) =>
	new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));
