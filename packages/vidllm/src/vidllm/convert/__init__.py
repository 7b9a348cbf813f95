"""Released checkpoints to ours and back; the command is `vidllm convert`."""
