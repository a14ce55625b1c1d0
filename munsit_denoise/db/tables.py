"""The tables. Times are microseconds since 1970, UTC, as integers, which compare the same in every database."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

users = Table(
    "users",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("webhook_secret", Text),  # whsec_..., signs the webhooks of this user
    Column("turn_at", BigInteger),  # when one of their jobs was last taken from a shared queue
    Column("priority", Integer, nullable=False, server_default="0"),  # jobs of users with a higher one run first
)
Index(
    "ix_users_priority",
    users.c.priority,
    sqlite_where=text("priority <> 0"),
    postgresql_where=text("priority <> 0"),
)

# The minutes that a user has left, in milliseconds of sound; a user without a row has none.
balances = Table(
    "balances",
    metadata,
    Column("user_id", String(36), ForeignKey("users.id"), primary_key=True),
    Column("available_ms", BigInteger, nullable=False),
    CheckConstraint("available_ms >= 0", name="available"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_hash", String(64), primary_key=True),
    Column("prefix", String(16), nullable=False, index=True),
    Column("user_id", String(36), ForeignKey("users.id"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Column("name", Text),
    Column("scope", String(8), nullable=False, server_default="full"),
    Column("expires_at", BigInteger),
    Column("last_used_at", BigInteger),
    CheckConstraint("scope IN ('full', 'read', 'admin')", name="scope"),
)

denoise_records = Table(
    "denoise_records",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("user_id", String(36), ForeignKey("users.id"), nullable=False),
    Column("origin", String(16), nullable=False),
    Column("transaction_id", Text),
    Column("secret", String(64), nullable=False, unique=True),
    Column("file_name", Text, nullable=False),
    Column("audio_format", String(16), nullable=False),
    Column("source_type", String(8), nullable=False),
    Column("audio_duration", Float, nullable=False),
    Column("audio_size", BigInteger, nullable=False),
    Column("original_key", Text, nullable=False),
    Column("result_key", Text),
    Column("status", String(8), nullable=False),
    Column("error", Text),
    Column("attempts", Integer, nullable=False),
    Column("lease", Integer, nullable=False),
    Column("claim", String(32)),  # of the run that holds the lease: it may ask again where it heard no answer
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("extension", String(8)),
    Column("strength", Float, nullable=False, server_default="1"),
    Column("level_lufs", Float),
    Column("output_url", Text),
    Column("source_url", Text),
    Column("upload_id", String(36)),
    Column("delivery", String(16)),
    Column("deleted_at", BigInteger),
    Column("audio_track", Integer, nullable=False, server_default="0"),
    Column("webhook_url", Text),
    Column("webhook_base", Text),
    Column("percent", Integer, nullable=False, server_default="0"),
    Column("message", Text),
    Column("heartbeat_at", BigInteger),
    Column("cancel_asked_at", BigInteger),
    Column("track", Text),
    Column("report", Text),
    Column("result_bytes", BigInteger, nullable=False, server_default="0"),
    Column("tiles_key", Text),
    Column("tiles_bytes", BigInteger, nullable=False, server_default="0"),
    Column("original_gone_at", BigInteger),
    Column("result_gone_at", BigInteger),
    Column("removed_at", BigInteger),
    Column("quality", String(8)),
    Column("keep", String(16)),
    CheckConstraint("status IN ('pending', 'success', 'failed')", name="status"),
    CheckConstraint("source_type IN ('audio', 'video')", name="source_type"),
    CheckConstraint("(status = 'success') = (result_key IS NOT NULL)", name="result_on_success"),
    CheckConstraint("(status = 'failed') = (error IS NOT NULL)", name="error_on_failure"),
    CheckConstraint("audio_size >= 0 AND audio_duration >= 0", name="sizes"),
    CheckConstraint("strength >= 0 AND strength <= 1", name="strength"),
    CheckConstraint("percent >= 0 AND percent <= 100", name="percent"),
    CheckConstraint("audio_track >= 0", name="audio_track"),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("user_id", String(36), ForeignKey("users.id"), nullable=False),
    Column("file_name", Text, nullable=False),
    Column("audio_format", String(16), nullable=False),
    Column("audio_duration", Float, nullable=False),
    Column("audio_size", BigInteger, nullable=False),
    Column("storage_key", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False, index=True),
    Column("track", Text),
)

# Webhooks to deliver, and the state of each. A row is inserted in the transaction that ends its job; it holds the
# message, because the job's row may be deleted first.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("job_id", String(36), nullable=False, index=True),
    Column("user_id", String(36), ForeignKey("users.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("url", Text, nullable=False),
    Column("host", Text, nullable=False),  # host and port of the URL, to limit simultaneous deliveries to one host
    Column("snapshot", Text, nullable=False),  # JSON: the values of HISTORY_COLUMNS when the job ended
    Column("base", Text, nullable=False),  # of the URLs in the message
    Column("created_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("last_status", Integer),
    Column("delivered_at", BigInteger),
    Column("failed_at", BigInteger),
    Column("error", Text),
)
Index(
    "ix_deliveries_log",
    deliveries.c.user_id,
    deliveries.c.created_at.desc(),
    deliveries.c.id.desc(),
)
Index(
    "ix_deliveries_due",
    deliveries.c.due_at,
    sqlite_where=text("delivered_at IS NULL AND failed_at IS NULL"),
    postgresql_where=text("delivered_at IS NULL AND failed_at IS NULL"),
)

# Credits and reservations, in milliseconds of sound: at most one reservation per job, which ends once.
transactions = Table(
    "transactions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("user_id", String(36), ForeignKey("users.id"), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("amount_ms", BigInteger, nullable=False),
    Column("job_id", String(36), unique=True),
    Column("state", String(8), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    CheckConstraint("kind IN ('credit', 'reservation')", name="kind"),
    CheckConstraint("state IN ('open', 'settled', 'returned')", name="state"),
    CheckConstraint("(kind = 'reservation') = (job_id IS NOT NULL)", name="job_of_reservation"),
)

# Submissions that their client may repeat; the fingerprint covers the file's bytes and the options.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("user_id", String(36), ForeignKey("users.id"), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64)),
    Column("job_id", String(36)),
    Column("created_at", BigInteger, nullable=False, index=True),
    Column("touched_at", BigInteger, nullable=False),  # last heartbeat of the server that receives it
)

# Uploads in parts: the storage knows how many bytes there are, this table how many there will be.
partial_uploads = Table(
    "partial_uploads",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("user_id", String(36), ForeignKey("users.id"), nullable=False, index=True),
    Column("file_name", Text, nullable=False),
    Column("upload_metadata", Text, nullable=False),  # as the client sent it
    Column("length_bytes", BigInteger, nullable=False),
    Column("offset_bytes", BigInteger, nullable=False, server_default="0"),
    Column("storage_key", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    CheckConstraint("offset_bytes >= 0 AND offset_bytes <= length_bytes", name="offset"),
)

# The id of this installation, which its storage has too.
installation = Table(
    "installation",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("created_at", BigInteger, nullable=False),
)

# Locks of one process among many, which expire unless renewed: on an upload in progress, or on a key whose first
# submission is being received.
holds = Table(
    "holds",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("holder", String(32), nullable=False),
    Column("until", BigInteger, nullable=False),
)

# A page of history reads only this index, newest first, whatever the size of the table.
Index(
    "ix_denoise_records_history",
    denoise_records.c.user_id,
    denoise_records.c.created_at.desc(),
    denoise_records.c.id.desc(),
)
Index(
    "ix_denoise_records_pending",
    denoise_records.c.created_at,
    sqlite_where=denoise_records.c.status == "pending",
    postgresql_where=denoise_records.c.status == "pending",
)
# Whose turn it is, and which of their jobs: those to run, and those whose original is to be fetched first.
for _name, _kind in (("jobs", "source_url IS NULL"), ("fetches", "source_url IS NOT NULL")):
    Index(
        f"ix_denoise_records_{_name}",
        denoise_records.c.user_id,
        denoise_records.c.created_at,
        denoise_records.c.id,
        sqlite_where=text(f"status = 'pending' AND {_kind}"),
        postgresql_where=text(f"status = 'pending' AND {_kind}"),
    )
Index(
    "ix_denoise_records_removed",
    denoise_records.c.removed_at,
    sqlite_where=text("removed_at IS NOT NULL"),
    postgresql_where=text("removed_at IS NOT NULL"),
)
