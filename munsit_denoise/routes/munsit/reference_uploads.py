"""Descriptions of the routes for resumable uploads."""

from munsit_denoise import errors
from munsit_denoise.routes.reference.operation import KEYED, TAKING_IN, Answer, Content, Operation, Parameter, header

BYTES = {"type": "integer", "minimum": 0}
VERSION = header("Tus-Resumable", {"const": "1.0.0"}, "The version of the protocol.", "1.0.0", required=True)
TELLS = ("Tus-Resumable", "Upload-Offset", "Upload-Expires")
BODY = Content({"type": "string", "format": "binary"}, None, "application/offset+octet-stream")
NO_VERSION = (412, "The header Tus-Resumable must be 1.0.0, the protocol version of this server.")
NO_TYPE = (415, "The Content-Type must be application/offset+octet-stream.")
TOO_LONG = (413, "The body is longer than Upload-Length.")


def _length(*, required: bool) -> Parameter:
    return header(
        "Upload-Length", BYTES | {"minimum": 1}, "The size of the file, bytes.", 10_485_760, required=required
    )


CAPABILITIES = Operation(
    "Get the capabilities of uploads",
    "uploads",
    (
        Answer(
            "Protocol version and extensions.",
            status=204,
            headers=("Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Max-Size"),
        ),
    ),
    errors=(errors.DenoiseError,),
    needs_key=False,
)

UPLOADS: dict[str, Operation] = {
    "OPTIONS /uploads": CAPABILITIES,
    "POST /uploads": Operation(
        "Create an upload",
        "uploads",
        (Answer("Created.", status=201, headers=("Location", *TELLS)),),
        errors=(
            *KEYED,
            *TAKING_IN,
            errors.InvalidUpload,
            errors.NotMedia,
            errors.AudioTooLong,
            errors.TooManyUploads,
            errors.UploadOverrun,
        ),
        refusals=(NO_VERSION, NO_TYPE, TOO_LONG),
        parameters=(
            VERSION,
            _length(required=True),
            header(
                "Upload-Metadata", {"type": "string"}, "`filename` and its value in Base64.", "filename dGFsay53YXY="
            ),
        ),
        description="The body may have the first bytes, like that of a PATCH.",
    ),
    "OPTIONS /uploads/{upload_id}": CAPABILITIES,
    "HEAD /uploads/{upload_id}": Operation(
        "Get the offset of an upload",
        "uploads",
        (
            Answer(
                "`Upload-Offset` is the number of bytes received.",
                status=200,
                headers=(*TELLS, "Upload-Length", "Upload-Metadata"),
            ),
        ),
        errors=(*KEYED, errors.UploadNotFound, errors.UploadInUse),
        refusals=(NO_VERSION,),
        parameters=(VERSION,),
    ),
    "PATCH /uploads/{upload_id}": Operation(
        "Add bytes",
        "uploads",
        (Answer("The bytes are stored durably.", status=204, headers=TELLS),),
        errors=(
            *KEYED,
            *TAKING_IN,
            errors.InvalidUpload,
            errors.NotMedia,
            errors.AudioTooLong,
            errors.UploadNotFound,
            errors.WrongOffset,
            errors.UploadInUse,
            errors.UploadOverrun,
        ),
        refusals=(NO_VERSION, NO_TYPE, TOO_LONG),
        parameters=(
            VERSION,
            header(
                "Upload-Offset",
                BYTES,
                "Position of the first byte: the number of bytes received so far.",
                1_048_576,
                required=True,
            ),
        ),
        contents=(BODY,),
        description="The last bytes complete the upload; its id can then be used as `upload_id`, and as `input` of "
        "Audo's dialect. A file without sound is refused with the last bytes.",
    ),
    "DELETE /uploads/{upload_id}": Operation(
        "Delete an upload",
        "uploads",
        (Answer("Deleted.", status=204, headers=("Tus-Resumable",)),),
        errors=(*KEYED, errors.UploadNotFound, errors.UploadInUse, errors.StorageBroken),
        refusals=(NO_VERSION,),
        parameters=(VERSION,),
    ),
}
