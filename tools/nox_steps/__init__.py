"""What several sessions of noxfile.py do; needs nox and the standard library alone."""
