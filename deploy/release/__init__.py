"""Makes what is handed out: the wheel, the sdist, the SBOM and the image. Not part of the program."""
