"""Where weights come from: a folder, the hub, Python packages; Hugging Face's format, CTranslate2's, OpenAI's."""
