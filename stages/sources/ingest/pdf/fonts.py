"""Which fonts are bold, and which are monospaced, by their names and descriptors."""

import ctypes
import re

import pypdfium2.raw as pdfium

BOLD = re.compile(r"bold|black|heavy|demi|medi(?!um)|cmb|cmssbx|sfbx|-bd", re.IGNORECASE)
MONO = re.compile(r"mono|courier|typewriter|cmtt|cmsltt|sftt|consol|menlo|inconsol|nimbusmon", re.IGNORECASE)
# Families that are not monospaced, whatever the flags of the font descriptor say (those of FOP are wrong).
PROPORTIONAL = re.compile(r"sans|serif|helvetica|arial|times", re.IGNORECASE)
FIXED_PITCH, FORCE_BOLD = 1 << 0, 1 << 18  # flags of a font descriptor
BOLD_WEIGHT = 600
# Names of fonts that are not bold. PDFium derives the weight from the thickness of stems, by which TeX's
# regular fonts exceed `BOLD_WEIGHT`.
PLAIN = re.compile(r"regu|roman|book|(?:^|\+)(?:cm|sf|ec)(?:r|rm|mi|ti|sl|sy|ex|ss|tt|csc)\d", re.IGNORECASE)


def style_of(font: pdfium.FPDF_FONT) -> tuple[bool, bool]:
    """Check whether a font is bold, and whether it is monospaced."""
    buffer = ctypes.create_string_buffer(128)
    pdfium.FPDFFont_GetBaseFontName(font, buffer, 128)
    name = buffer.value.decode("latin-1")
    flags = pdfium.FPDFFont_GetFlags(font)
    heavy = flags & FORCE_BOLD or (not PLAIN.search(name) and pdfium.FPDFFont_GetWeight(font) >= BOLD_WEIGHT)
    mono = MONO.search(name) or (flags & FIXED_PITCH and not PROPORTIONAL.search(name))
    return bool(heavy or BOLD.search(name)), bool(mono)
