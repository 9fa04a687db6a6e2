"""The network's parts: front end, augmentation, CTC, the attention decoder."""
