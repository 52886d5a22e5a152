# The page as a Docker Space on Hugging Face (sdk: docker, app_port: 7860) or in any container:
#   docker build -t cvpire . && docker run --rm -p 7860:7860 cvpire
FROM python:3.11-slim-bookworm

# What OpenCV's shared library links to, of what the slim image lacks: `import pyiqa` loads it.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 libxcb1 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /app
COPY requirements.txt build-constraints.txt ./

# torch first and alone, from the host that has builds without CUDA (PyPI's needs 7 GB). Their version
# is, say, 2.14.1+cpu, which satisfies ==2.14.1, so the second command leaves them as they are.
RUN grep -E '^(torch|torchvision)==' requirements.txt > torch-requirements.txt \
    && pip install --no-cache-dir --no-deps \
        --index-url https://download.pytorch.org/whl/cpu -r torch-requirements.txt \
    && PIP_CONSTRAINT=/app/build-constraints.txt PIP_BUILD_CONSTRAINT=/app/build-constraints.txt \
        pip install --no-cache-dir -r requirements.txt \
    && rm torch-requirements.txt

# Fail here, not in front of a visitor, if CUDA came along after all or a library is missing.
RUN python -c "import torch; assert torch.version.cuda is None, torch.__version__" \
    && python -c "import gradio, imagecodecs, numba, pillow_heif, pyiqa, simplejpeg, tifffile, torchvision"

RUN useradd --create-home --uid 1000 user
USER user

# All that is written at run time lies under the user's home.
ENV HOME=/home/user \
    XDG_CACHE_HOME=/home/user/.cache \
    HF_HOME=/home/user/.cache/huggingface \
    TORCH_HOME=/home/user/.cache/torch \
    MPLCONFIGDIR=/home/user/.cache/matplotlib \
    NUMBA_CACHE_DIR=/home/user/.cache/numba \
    GRADIO_TEMP_DIR=/home/user/.cache/gradio \
    GRADIO_ANALYTICS_ENABLED=False \
    GRADIO_SERVER_NAME=0.0.0.0 \
    GRADIO_SERVER_PORT=7860 \
    PYTHONUNBUFFERED=1

# The paper's weights, if their host answers within 15 minutes; without them the page uses its own.
# Before the code that changes often, so that a rebuild need not ask for them again.
COPY cvpire ./cvpire
RUN timeout 900 python -m cvpire weights download resnet50-places365 \
    || echo "The weights could not be downloaded: the page will use the embedded classifier."

COPY eval ./eval
COPY page ./page
COPY app.py README.md LICENSE ./

EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/gradio_api/info', timeout=8)"]
CMD ["python", "app.py"]
