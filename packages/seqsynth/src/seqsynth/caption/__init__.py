"""Captions of clips by vision-language models: written once, resumable, joined to corpora.

`requests` says what is asked about which frames, `backends` who answers, `engines` where that runs,
`shards` how answers are kept, `run` puts it together; `check` scores captions against their label
and frames, and `join` brings them into a manifest.
"""
