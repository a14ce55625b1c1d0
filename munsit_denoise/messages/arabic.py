"""The table of messages: an English sentence, or a template with `{places}`, and its Arabic translation.

Names of fields, headers, formats and units are not translated, because programs match them.
"""

ARABIC: dict[str, str] = {
    # errors.py
    "The server failed on this request. Please report it with the X-Request-ID of this answer.": (
        "أخفق الخادم في هذا الطلب. يرجى الإبلاغ عنه مع قيمة X-Request-ID في هذا الرد."
    ),
    "Invalid or missing API key": "مفتاح API غير صالح أو غير موجود",
    "Denoising job not found": "مهمة إزالة الضوضاء غير موجودة",
    "There is no such file. Please upload it again.": "لا يوجد ملف كهذا. يرجى رفعه من جديد.",
    "There is no such entry. Please check its id.": "لا يوجد عنصر كهذا. يرجى التحقق من معرّفه.",
    "This name is taken. Please choose another one.": "هذا الاسم مستخدم. يرجى اختيار اسم آخر.",
    "This API key may only read. Please use a key with the scope full.": (
        "هذا المفتاح للقراءة فقط. يرجى استخدام مفتاح نطاقه full."
    ),
    "This needs an API key with the scope admin.": "يتطلب هذا مفتاح API نطاقه admin.",
    "This file is gone: it was deleted, or its retention period is over.": "حُذف هذا، أو انتهت مدة حفظه.",
    "There is no residual: the result is not as long as the original, or its loudness was changed.": (
        "لا يمكن حساب الفرق: طول النتيجة يختلف عن طول الأصل، أو تغيّر مستوى صوتها."
    ),
    "Insufficient balance. Required: {required} minutes. Available: {available} minutes.": (
        "الرصيد غير كافٍ. المطلوب: {required} دقيقة. المتاح: {available} دقيقة."
    ),
    "Upload-Offset must be {offset}, the number of bytes received so far. Please ask with HEAD first.": (
        "يجب أن يكون Upload-Offset مساويًا {offset}، أي الموضع الذي بلغه هذا الرفع. يرجى الاستعلام بطلب HEAD أولًا."
    ),
    "Another request is sending to this upload. Please try again in a moment.": (
        "طلب آخر يرسل إلى هذا الرفع الآن. يرجى المحاولة بعد لحظات."
    ),
    "The upload is longer than its Upload-Length. Please start a new upload with the right length.": (
        "هذا أكثر من قيمة Upload-Length المعلنة. يرجى بدء رفع جديد بالطول الصحيح."
    ),
    "This Idempotency-Key was used for another file or other options. Please use a new key.": (
        "استُخدم هذا الـ Idempotency-Key لملف آخر أو لخيارات أخرى. يرجى استخدام قيمة جديدة."
    ),
    "A request with this Idempotency-Key is still being received. Please try again in a moment.": (
        "ما زال طلب بهذا الـ Idempotency-Key قيد الوصول. يرجى المحاولة بعد لحظات."
    ),
    "audio is required and must be a file": "الحقل audio مطلوب ويجب أن يكون ملفًا",
    "file is required and must be a file": "الحقل file مطلوب ويجب أن يكون ملفًا",
    "File size exceeds the maximum limit of {limit}MB. File size: {size}MB": (
        "حجم الملف يتجاوز الحد الأقصى {limit}MB. حجم الملف: {size}MB"
    ),
    "Duration exceeds the maximum limit of {limit} minutes. Duration: {duration} minutes": (
        "المدة تتجاوز الحد الأقصى {limit} دقيقة. المدة: {duration} دقيقة"
    ),
    "The result would be about {size}MB, more than the maximum of {limit}MB. "
    "Please send a shorter recording, or one with fewer channels or a lower sample rate.": (
        "سيبلغ حجم النتيجة نحو {size}MB، والحد الأقصى {limit}MB. "
        "يرجى إرسال تسجيل أقصر، أو بعدد قنوات أقل، أو بمعدل عينات أخفض."
    ),
    "No audio could be found in the file. Please send a recording or a video with sound.": (
        "لم يُعثر على صوت في الملف. يرجى إرسال تسجيل صوتي أو مقطع فيديو فيه صوت."
    ),
    "The upload was too slow and has been stopped. Please try again on a faster connection.": (
        "كان الرفع بطيئًا جدًا فأُوقف. يرجى المحاولة من جديد باتصال أسرع."
    ),
    "The queue is full. Please try again later.": "قائمة الانتظار ممتلئة. يرجى المحاولة لاحقًا.",
    "Too many of your recordings are waiting. Please try again when some of them are done.": (
        "عدد تسجيلاتك المنتظرة كبير جدًا. يرجى المحاولة بعد انتهاء بعضها."
    ),
    "Too many requests with this API key. Please try again later.": (
        "وصلت طلبات كثيرة جدًا بهذا المفتاح. يرجى المحاولة لاحقًا."
    ),
    "Too many wrong API keys came from this address. Please check the key and try again later.": (
        "وردت من هذا العنوان مفاتيح خاطئة كثيرة جدًا. يرجى التحقق من المفتاح والمحاولة لاحقًا."
    ),
    "Too many streams are open with this API key. Please close some first.": (
        "عدد الاتصالات المفتوحة بهذا المفتاح كبير جدًا. يرجى إغلاق بعضها أولًا."
    ),
    "Too many of your uploads are waiting for a job. Please try again when some are used or deleted.": (
        "عدد ملفاتك المرفوعة التي لم تُستخدم بعد كبير جدًا. يرجى المحاولة بعد استخدام بعضها أو حذفه."
    ),
    "The results of your waiting recordings need too much disk space. Please try again when some are done.": (
        "تحتاج نتائج تسجيلاتك المنتظرة إلى مساحة كبيرة جدًا. يرجى المحاولة بعد انتهاء بعضها."
    ),
    "The server is busy. Please try again in a moment.": "الخادم مشغول. يرجى المحاولة بعد لحظات.",
    "The server cannot use its database at the moment. Please try again later.": (
        "لا يستطيع الخادم استخدام قاعدة بياناته حاليًا. يرجى المحاولة لاحقًا."
    ),
    "The server has run out of disk space. Please try again later.": (
        "نفدت مساحة التخزين على الخادم. يرجى المحاولة لاحقًا."
    ),
    "The server cannot use its storage at the moment. Please try again later.": (
        "لا يستطيع الخادم استخدام مساحة التخزين حاليًا. يرجى المحاولة لاحقًا."
    ),
    "The server is overloaded. Please try again in a moment.": "الخادم مثقل بالعمل. يرجى المحاولة بعد لحظات.",
    "The server is restarting. Please try again in a moment.": ("يُعاد تشغيل الخادم الآن. يرجى المحاولة بعد لحظات."),
    "The file could not be processed.": "تعذرت معالجة الملف.",
    "The processing was interrupted. Please send the file again.": "انقطعت المعالجة. يرجى إرسال الملف من جديد.",
    # why a job failed
    "The job was cancelled.": "أُلغيت المهمة.",
    "The recording was deleted.": "حُذف التسجيل.",
    "The result is not kept any more.": "لم تعد النتيجة محفوظة.",
    "The original recording is no longer on the server.": "لم يعد التسجيل الأصلي موجودًا على الخادم.",
    "The file could not be processed after {attempts} attempts.": "تعذرت معالجة الملف. عدد المحاولات: {attempts}.",
    "The audio in the file could not be decoded.": "تعذر فك ترميز الصوت الذي في الملف.",
    "The file holds more audio than it announces.": "في الملف صوت أكثر مما يعلن عنه.",
    "The loudness of the result could not be measured.": "تعذر قياس جهارة النتيجة.",
    "The picture could not be encoded: the encoder stood still.": "تعذر ترميز الصورة: توقف المرمّز عن العمل.",
    "The result could not be written in this format.": "تعذرت كتابة النتيجة بهذه الصيغة.",
    "The URL leads to an address that this server does not connect to.": (
        "يؤدي عنوان URL إلى عنوان لا يتصل به هذا الخادم."
    ),
    "The URL could not be downloaded.": "تعذر تنزيل عنوان URL.",
    "The URL could not be downloaded: {reason}": "تعذر تنزيل عنوان URL: {reason}",
    "its server took too long.": "استغرق خادمه وقتًا طويلًا جدًا.",
    "its server could not be reached.": "تعذر الوصول إلى خادمه.",
    "its server answered {status}.": "ردّ خادمه بالرمز {status}.",
    "it is redirected too often.": "يُعاد توجيهه مرات كثيرة جدًا.",
    "it is sent in an encoding that this server does not read: {name}.": "يُرسل بترميز لا يقرؤه هذا الخادم: {name}.",
    "it is not in the encoding that its server says.": "ليس بالترميز الذي يعلنه خادمه.",
    "The download was cut off after {received} of {total} bytes, and its server did not go on with it.": (
        "انقطع التنزيل بعد {received} من {total} بايت، ولم يستأنفه خادمه."
    ),
    "The download was cut off after {received} bytes, and its server did not go on with it.": (
        "انقطع التنزيل بعد {received} بايت، ولم يستأنفه خادمه."
    ),
    # what a job does
    "Downloading the recording": "تنزيل التسجيل",
    "Waiting in the queue": "في قائمة الانتظار",
    "Extracting audio": "استخراج الصوت",
    "Running noise reduction": "إزالة الضوضاء",
    "Saving the result": "حفظ النتيجة",
    # the options of a job
    "{name} must be a number from {least} to {most}.": "{name}: يجب أن تكون القيمة عددًا من {least} إلى {most}.",
    "{name} must be a whole number from {least} to {most}.": (
        "{name}: يجب أن تكون القيمة عددًا صحيحًا من {least} إلى {most}."
    ),
    "strength must be a number from {least} to {most}, or transcription.": (
        "strength: يجب أن تكون القيمة عددًا من {least} إلى {most}، أو transcription."
    ),
    "{name} must be a number.": "{name}: يجب أن تكون القيمة عددًا.",
    "{name} must be a string.": "{name}: يجب أن تكون القيمة نصًا.",
    "{name} must be given once.": "{name}: يجب أن يرد الحقل مرة واحدة فقط.",
    "{name} must be text in UTF-8.": "{name}: يجب أن تكون القيمة نصًا بترميز UTF-8.",
    "{name} must be shorter than {most} bytes.": "{name}: يجب أن تكون القيمة أقصر من {most} بايت.",
    "{name} must have at most {most} characters.": "{name}: يجب ألا تتجاوز القيمة {most} محرفًا.",
    "{name} must have at most {most} characters": "{name}: يجب ألا تتجاوز القيمة {most} محرفًا",
    "{name} must be an address that begins with http:// or https:// and names a host.": (
        "{name}: يجب أن تكون القيمة عنوانًا يبدأ بـ http:// أو https:// ويسمّي مضيفًا."
    ),
    "output_format must be {original} or one of {known}.": (
        "output_format: يجب أن تكون القيمة {original} أو إحدى القيم {known}."
    ),
    "keep must be voice, voice+music or dry-voice.": ("keep: يجب أن تكون القيمة voice أو voice+music أو dry-voice."),
    "quality must be standard or best.": "quality: يجب أن تكون القيمة standard أو best.",
    "quality: best is not installed on this server. Please ask for standard, or have its operator run: "
    "pip install 'munsit-denoise[best]'": (
        "quality: القيمة best غير مثبتة على هذا الخادم. يرجى طلب standard، أو أن ينفّذ مشغّله: "
        "pip install 'munsit-denoise[best]'"
    ),
    "The model for this quality is missing where the job was to run. Please ask for standard.": (
        "نموذج هذه الجودة غير موجود حيث كان يُفترض تشغيل المهمة. يرجى طلب standard."
    ),
    "The model for a dry voice is missing where the job was to run. Please ask for keep=voice.": (
        "نموذج الصوت بلا صدى غير موجود حيث كان يُفترض تشغيل المهمة. يرجى طلب keep=voice."
    ),
    "The package for --quality best (or DENOISE_QUALITY=best) is not installed. "
    "Run: pip install 'munsit-denoise[best]'": (
        "حزمة الخيار --quality best (أو DENOISE_QUALITY=best) غير مثبتة. نفّذ: pip install 'munsit-denoise[best]'"
    ),
    "audio_track {index} is not in the file. Its tracks are {tracks}.": (
        "audio_track {index} غير موجود في الملف. مساراته هي {tracks}."
    ),
    "Files of the type {extension} cannot be written. These can: {known}.": (
        "لا يمكن كتابة ملفات من النوع {extension}. الأنواع المتاحة: {known}."
    ),
    "An MXF file cannot be written without a picture. Please ask for another format.": (
        "لا يمكن كتابة ملف MXF بلا صورة. يرجى طلب صيغة أخرى."
    ),
    "The body is not a JSON object. Please send one with url or upload_id.": (
        "محتوى الطلب ليس كائن JSON. يرجى إرسال كائن فيه url أو upload_id."
    ),
    "url and {other} were both given. Please send one of them.": "أُرسل url و{other} معًا. يرجى إرسال أحدهما فقط.",
    "url or upload_id is required: it says which recording to denoise.": (
        "يلزم url أو upload_id: أحدهما يحدد ما يُراد تنقيته."
    ),
    "a file": "ملف",
    "Idempotency-Key must be given once, as 1 to 255 visible ASCII characters.": (
        "Idempotency-Key: يجب أن يرد مرة واحدة، من 1 إلى 255 محرف ASCII مرئيًا."
    ),
    "status must be pending, success or failed": "status: يجب أن تكون القيمة pending أو success أو failed",
    "offset must be a non-negative number": "offset: يجب أن تكون القيمة عددًا غير سالب",
    "limit must be a positive number": "limit: يجب أن تكون القيمة عددًا موجبًا",
    "minutes must be a positive number, up to {most}.": "minutes: يجب أن تكون القيمة عددًا موجبًا لا يتجاوز {most}.",
    # uploads
    "The Content-Type of the form has no boundary. Please let your HTTP client set this header.": (
        "لا يسمّي Content-Type النموذج فاصلًا (boundary). يرجى ترك هذه الترويسة لبرنامج HTTP الذي يضيفها."
    ),
    "The boundary in the Content-Type of the form is longer than {most} bytes.": (
        "الفاصل (boundary) الذي يسمّيه Content-Type أطول من {most} بايت."
    ),
    "The body does not contain the boundary of its Content-Type. Please send a multipart form.": (
        "لا يحتوي الطلب على الفاصل (boundary) الذي يسمّيه Content-Type. يرجى إرسال نموذج multipart."
    ),
    "The upload was cut off before the end of the form. Please send it again.": (
        "انقطع الرفع قبل نهاية النموذج. يرجى إرساله من جديد."
    ),
    "The form contains too much data besides the file. Please send the file and short fields only.": (
        "في النموذج بيانات كثيرة غير الملف. يرجى إرسال الملف وحقول قصيرة فقط."
    ),
    "The headers of a form part are too long.": "ترويسات أحد أجزاء النموذج طويلة جدًا.",
    "The form has more than {most} parts.": "في النموذج أكثر من {most} جزء.",
    "A form part has a header that cannot be parsed.": "في أحد أجزاء النموذج ترويسة لا يمكن قراءتها.",
    "The body is too large.": "محتوى الطلب كبير جدًا.",
    "The body must be JSON.": "يجب أن يكون محتوى الطلب JSON.",
    "The body must be a JSON object.": "يجب أن يكون محتوى الطلب كائن JSON.",
    "The body has text that is not Unicode: half of a surrogate pair.": (
        "في محتوى الطلب نص ليس Unicode: نصف زوج بديل (surrogate pair)."
    ),
    "{field} is wrong: {reason}": "{field}: قيمة غير صحيحة: {reason}",
    "{field}: {sentence}": "{field}: {sentence}",
    "{text} is not a length of time. Write it like 30d, 24h or 15m.": (
        "{text} ليست مدة زمنية. تُكتب المدة مثل 30d أو 24h أو 15m."
    ),
    "{text} is in the past. Please give a time in the future.": "{text} مضى. يرجى إعطاء وقت لم يأتِ بعد.",
    "{text} is not a time. Write it like 30d or 2027-01-01.": ("{text} ليس وقتًا. يُكتب الوقت مثل 30d أو 2027-01-01."),
    "The URL cannot be parsed.": "لا يمكن قراءة عنوان URL.",
    "The URL must begin with http:// or https:// and name a host.": (
        "يجب أن يبدأ عنوان URL بـ http:// أو https:// وأن يسمّي مضيفًا."
    ),
    "input must be a fileId or a URL.": "input: يجب أن تكون القيمة fileId أو عنوان URL.",
    "inputExt must be the extension of the file, such as wav.": "inputExt: يجب أن تكون القيمة امتداد الملف، مثل wav.",
    "noiseReductionAmount must be between 1 and 100.": "noiseReductionAmount: يجب أن تكون القيمة بين 1 و100.",
    "autoVolume must be false, true, or a level from -70 to 0 dB.": (
        "autoVolume: يجب أن تكون القيمة false أو true أو مستوى من ‎-70 إلى 0 dB."
    ),
    # contents of files
    "The file took too long to read.": "استغرقت قراءة الملف وقتًا طويلًا جدًا.",
    "The description of the file's contents is too long.": "وصف الملف لنفسه طويل جدًا.",
    "A big-endian WAV (RIFX) can only be read if it contains PCM. Please send it in another format.": (
        "لا تُقرأ ملفات WAV من نوع RIFX إلا إذا كانت PCM. يرجى إرسال الملف بصيغة أخرى."
    ),
    "The time stamps in the file are broken: they contain a gap of more than a day.": (
        "الطوابع الزمنية في الملف غير معقولة: فيها فراغ يزيد على يوم."
    ),
    "Sound at {rate} Hz with {channels} channels is not supported: "
    "{least} to {most} Hz and up to {limit} channels are.": (
        "صوت بمعدل {rate} Hz و{channels} قناة غير مدعوم: المدعوم من {least} إلى {most} Hz وحتى {limit} قناة."
    ),
    "The file has more channels than can be processed at its sample rate.": (
        "في الملف قنوات أكثر مما يمكن معالجته بمعدل عيناته."
    ),
    # uploads in parts (tus)
    "The body is longer than Upload-Length.": "محتوى الطلب أطول من Upload-Length.",
    "The Content-Type must be {type}.": "يجب أن يكون Content-Type هو {type}.",
    "The Content-Type of the first bytes must be {type}.": "يجب أن يكون Content-Type لأول البايتات هو {type}.",
    "The header Tus-Resumable must be {version}, the protocol version of this server.": (
        "يجب أن تكون الترويسة Tus-Resumable مساوية {version}، وهي نسخة البروتوكول المستخدمة هنا."
    ),
    "{name} must be a number of bytes, 0 or more.": "{name}: يجب أن تكون القيمة عدد بايتات، 0 أو أكثر.",
    "Upload-Defer-Length is not supported. Please send the size of the file as Upload-Length.": (
        "Upload-Defer-Length غير مدعومة. يرجى إرسال حجم الملف في Upload-Length."
    ),
    "Upload-Metadata must be pairs like `filename cmVjLndhdg==`, separated by commas, each value in base64.": (
        "Upload-Metadata: يجب أن تكون أزواجًا مثل `filename cmVjLndhdg==` تفصل بينها فواصل، وكل قيمة بترميز base64."
    ),
    # webhooks, users, keys
    "There is no such delivery.": "لا يوجد إرسال كهذا.",
    "There is no such user.": "لا يوجد مستخدم كهذا.",
    "A user with this name exists already. Please choose another name.": (
        "يوجد مستخدم بهذا الاسم. يرجى اختيار اسم آخر."
    ),
    "There is no such key.": "لا يوجد مفتاح كهذا.",
    "There is no such valid key.": "لا يوجد مفتاح صالح كهذا.",
    "No valid key begins with {prefix}": "لا يوجد مفتاح صالح يبدأ بـ {prefix}",
    "More than one valid key begins with {prefix}": "أكثر من مفتاح صالح يبدأ بـ {prefix}",
    # the command line only
    "it must be a whole number from {least} to {most}": "يجب أن تكون عددًا صحيحًا من {least} إلى {most}",
    "it must be a number from {least} to {most}": "يجب أن تكون عددًا من {least} إلى {most}",
    "it must be true or false": "يجب أن تكون true أو false",
    "No audio could be found in the file. Choose a recording or a video with sound.": (
        "لم يُعثر على صوت في الملف. اختر تسجيلًا صوتيًا أو مقطع فيديو فيه صوت."
    ),
    "No such file or directory": "لا يوجد ملف أو مجلد بهذا الاسم",
    "Permission denied": "لا يوجد إذن بالوصول",
    "Is a directory": "هذا مجلد، والمطلوب ملف",
    "Not a directory": "هذا ليس مجلدًا",
    "No space left on device": "لم تبقَ مساحة على القرص",
    "Read-only file system": "نظام الملفات للقراءة فقط",
    "the folder does not exist": "المجلد غير موجود",
    "a file stands where a folder is needed": "يوجد ملف حيث يلزم مجلد",
    "exists already; --overwrite replaces it, --skip-existing leaves it out": (
        "موجود من قبل؛ ‎--overwrite يستبدله، و‎--skip-existing يتخطاه"
    ),
    "exists already; --overwrite replaces it": "موجود من قبل؛ ‎--overwrite يستبدله",
    "is one of the inputs, and stays as it is": "هو أحد المدخلات، ويبقى كما هو",
    "remote takes files, not folders": "يقبل remote ملفات لا مجلدات",
    "{path} is a folder. remote takes files, not folders.": "{path} مجلد. يقبل remote ملفات لا مجلدات.",
    "The result exists already.": "النتيجة موجودة من قبل.",
    "Something unexpected happened; DENOISE_LOG_LEVEL=debug tells more": (
        "حدث شيء غير متوقع؛ DENOISE_LOG_LEVEL=debug يبيّن المزيد"
    ),
    "Several inputs would become {path}; give them folders of their own.": (
        "لعدة مدخلات النتيجة نفسها {path}؛ اجعل لكل منها مجلدًا."
    ),
    "the model cannot be loaded": "لا يمكن تحميل النموذج",
    "The connection to the server failed: {reason}": "تعذّر الاتصال بالخادم: {reason}",
    "there are no users yet: the database {path} does not exist": (
        "لا يوجد مستخدمون بعد: قاعدة البيانات {path} غير موجودة"
    ),
    "there are no keys yet: the database {path} does not exist": (
        "لا توجد مفاتيح بعد: قاعدة البيانات {path} غير موجودة"
    ),
    "There is no user {name}. `munsit-denoise users list` tells which there are.": (
        "لا يوجد مستخدم باسم {name}. يعرض `munsit-denoise users list` المستخدمين الموجودين."
    ),
    "no valid key begins with {prefix}": "لا يوجد مفتاح صالح يبدأ بـ {prefix}",
    "Give at least {least} digits, as `keys list` shows them.": "اكتب {least} خانات على الأقل، كما يعرضها `keys list`.",
    "OUTPUT is INPUT: {path}. The original would be lost; give another name.": (
        "OUTPUT هو INPUT نفسه: {path}. سيضيع الأصل؛ اختر اسمًا آخر."
    ),
    "OUTPUT is INPUT: {path}. The originals would be lost; give another folder.": (
        "OUTPUT هو INPUT نفسه: {path}. ستضيع الأصول؛ اختر مجلدًا آخر."
    ),
    "INPUT and OUTPUT cannot be empty.": "لا يمكن أن يكون INPUT أو OUTPUT فارغًا.",
    "Standard input is a terminal. Send a recording: munsit-denoise enhance - OUTPUT < RECORDING": (
        "المدخل القياسي طرفية. أرسل تسجيلًا: munsit-denoise enhance - OUTPUT < RECORDING"
    ),
    "--json and the result cannot both go to standard output. Write the result to a file.": (
        "لا يمكن أن يذهب ‎--json والنتيجة معًا إلى المخرج القياسي. اكتب النتيجة في ملف."
    ),
    "The result would go to the terminal. Redirect it: munsit-denoise enhance INPUT - > RESULT": (
        "ستذهب النتيجة إلى الطرفية. وجّهها إلى ملف: munsit-denoise enhance INPUT - > RESULT"
    ),
    "Standard output is closed.": "المخرج القياسي مغلق.",
    "Standard input is closed.": "المدخل القياسي مغلق.",
    "--overwrite and --skip-existing contradict each other. Give one of them.": (
        "‎--overwrite و‎--skip-existing متناقضان. استخدم أحدهما."
    ),
    "{option} must be from {least} to {most}, not {value}.": "قيمة {option} من {least} إلى {most}، لا {value}.",
    "OUTPUT ends in .{suffix}, but --format says {extension}.": (
        "ينتهي OUTPUT بـ ‎.{suffix}‎ بينما يقول ‎--format إن الصيغة {extension}."
    ),
    "{path} is not a folder. Results of a folder or of several files need one.": (
        "{path} ليس مجلدًا؛ يلزم مجلد لنتائج مجلد أو عدة ملفات."
    ),
    "{path} is not a folder. Results of several files need one.": "{path} ليس مجلدًا؛ يلزم مجلد لعدة ملفات.",
    "OUT ends in .{extension}, but --format says {asked}.": (
        "ينتهي OUT بـ ‎.{extension}‎ بينما يقول ‎--format إن الصيغة {asked}."
    ),
    "OUT is FILE: {path}. The original would be lost; give another name.": (
        "OUT هو FILE نفسه: {path}. سيضيع الأصل؛ اختر اسمًا آخر."
    ),
    "Several files would have the same result. Send them one at a time, each to its own folder.": (
        "لعدة ملفات النتيجة نفسها؛ أرسلها واحدًا واحدًا، كلًّا إلى مجلد."
    ),
    "there is nothing to move: the database {path} does not exist": (
        "لا يوجد ما يُنقل: قاعدة البيانات {path} غير موجودة"
    ),
    "DENOISE_DATABASE_URL names PostgreSQL already; move starts from an installation with SQLite": (
        "DENOISE_DATABASE_URL يسمّي PostgreSQL من قبل؛ ينقل move تثبيتًا فيه SQLite"
    ),
    "--to-database must be a PostgreSQL database, like postgresql://user@host/name": (
        "‎--to-database يجب أن تكون قاعدة بيانات PostgreSQL، مثل postgresql://user@host/name"
    ),
    "--to-storage names the folder that the recordings are in already": (
        "‎--to-storage يسمّي المجلد الذي فيه التسجيلات من قبل"
    ),
    # refusals of the router
    "Not Found": "غير موجود",
    "Method Not Allowed": "طريقة الطلب غير مسموح بها",
}
