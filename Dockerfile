# One image for `serve`, `worker` and every other command. CPU by default:
#   docker build -t munsit-denoise .
#   docker build -t munsit-denoise --build-arg TORCH=cuda .
ARG PYTHON=3.11

FROM python:${PYTHON}-slim-bookworm AS build
ARG TORCH=cpu
# The index of PyTorch's CPU build, as its install page names it; empty: the build with CUDA, which runs on CPUs as well
ARG TORCH_INDEX=""
WORKDIR /build
COPY requirements.lock requirements-torch.lock pyproject.toml README.md LICENSE ./
COPY scripts/image.sh scripts/
RUN python -m venv /opt/denoise && sh scripts/image.sh packages
RUN sh scripts/image.sh torch
COPY munsit_denoise munsit_denoise
COPY migrations migrations
COPY clients/python clients/python
RUN sh scripts/image.sh package

FROM python:${PYTHON}-slim-bookworm
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ffmpeg tini util-linux \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data --create-home denoise
COPY --from=build /opt/denoise /opt/denoise
ENV PATH=/opt/denoise/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    DENOISE_DATA_DIR=/data \
    DENOISE_HOST=0.0.0.0 \
    DENOISE_LOG_FORMAT=json
USER 10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=60s --timeout=15s --start-period=60s CMD ["munsit-denoise", "doctor", "--quick"]
ENTRYPOINT ["tini", "--", "munsit-denoise"]
CMD ["serve"]
