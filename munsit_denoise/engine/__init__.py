"""The enhancer: a spectral-mask network, its windows, its weights. Knows no files and no event loop."""
