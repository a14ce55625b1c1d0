"""The enhancer: a spectral-mask network, its windows, its weights. Knows no files and no event loop."""

import os

# A window takes and gives back blocks of megabytes; with huge pages the system need not hand them out page by page.
# PyTorch reads it once, so it is set before PyTorch is imported.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
