"""The public competences that services belong to.

A short closed list: each service of each jurisdiction points to one, so that the
same question has the same name everywhere, whatever the catalogue calls it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: Category code → its name in French.
CATEGORIES: Mapping[str, str] = MappingProxyType(
    {
        "roads": "Voirie",
        "lighting": "Éclairage public",
        "illegal_dumping": "Dépôts sauvages et encombrants",
        "waste": "Collecte des déchets",
        "cleanliness": "Propreté",
        "sewers": "Assainissement et avaloirs",
        "drinking_water": "Eau potable",
        "signs": "Signalisation",
        "parking": "Stationnement",
        "public_buildings": "Bâtiments publics",
        "green_spaces": "Espaces verts",
        "stray_animals": "Animaux",
        "noise": "Bruit",
        "other": "Autre",
    }
)
