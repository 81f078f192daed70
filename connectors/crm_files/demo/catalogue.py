"""What the demo company sells: 150 products in categories, some often bought together."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple


class Product(NamedTuple):
    """One product; its price is in euros."""

    id: str
    reference: str
    name: str
    category: str
    kind: str
    unit: str
    price: Decimal


# Category | unit | what it is | its sizes or kinds, each with a price.
_LINES = """
Food / Oils|bottle|Olive oil|250 ml 3.20;500 ml 5.60;750 ml 7.90
Food / Oils|bottle|Olive oil|1 l 9.80;3 l tin 22.40;5 l tin 34.50
Food / Oils|bottle|Organic olive oil|250 ml 4.40;500 ml 7.90;750 ml 11.20;5 l tin 48.00
Food / Oils|bottle|Vinegar|red wine 3.10;white wine 3.10;balsamic 6.80;apple 2.90
Food / Olives|jar|Olives|Kalamata 5.40;green 4.60;Halkidiki stuffed 6.20;mixed 5.10
Food / Coffee|bag|Coffee beans|espresso 1 kg 22.00;filter 1 kg 19.50
Food / Coffee|bag|Coffee beans|decaf 1 kg 24.50;organic 1 kg 27.00
Food / Coffee|box|Coffee capsules|ristretto 8.90;lungo 8.90;decaf 9.40
Food / Tea|box|Tea|mountain tea 6.20;chamomile 5.30;Earl Grey 5.90;green 6.40;Persian black 7.80
Food / Sweets|box|Baklava|1 kg 14.80;2 kg 27.90
Food / Sweets|box|Loukoumi|rose 4.90;bergamot 4.90;pistachio 6.30
Food / Sweets|jar|Honey|thyme 9.40;pine 8.20;heather 8.60;orange blossom 8.90
Food / Sweets|jar|Jam|fig 4.20;apricot 4.10;bitter orange 4.40
Food / Nuts|bag|Pistachios|Aegina 1 kg 26.40;Iranian 1 kg 24.90
Food / Nuts|bag|Almonds|raw 1 kg 13.20;roasted 1 kg 14.60
Food / Spices|tin|Saffron|1 g 4.80;5 g 21.50
Food / Spices|tin|Spices|oregano 2.90;paprika 3.10;sumac 3.60;cinnamon 3.20
Food / Pasta|case|Pasta|spaghetti 14.40;penne 14.40;orzo 15.60;trahanas 18.20
Supplies / Textiles|piece|Bath towel|white 12.40;sand 12.90;navy 12.90
Supplies / Textiles|piece|Hand towel|white 5.20;sand 5.50
Supplies / Textiles|piece|Beach towel|striped 16.80;plain 15.20
Supplies / Textiles|set|Bed linen|single 34.00;double 46.00;king 58.00
Supplies / Textiles|piece|Pillow|feather 28.00;foam 19.50;memory 36.00
Supplies / Textiles|piece|Bathrobe|M 39.00;L 39.00;XL 42.00
Supplies / Textiles|piece|Napkin, linen|white 3.40;olive 3.60
Supplies / Textiles|piece|Table cloth|140 cm 24.00;180 cm 31.00
Supplies / Bathroom|box|Hotel soap|box of 100 24.00;box of 200 44.00
Supplies / Bathroom|box|Shampoo|box of 100 38.00;5 l refill 21.00
Supplies / Bathroom|box|Shower gel|box of 100 36.00;5 l refill 19.80
Supplies / Bathroom|piece|Soap dispenser|steel 18.90;bamboo 16.40
Supplies / Bathroom|box|Slippers|box of 50 42.00;box of 100 79.00
Supplies / Tableware|piece|Wooden tray|olive wood 22.50;walnut 18.75
Supplies / Tableware|set|Coffee cups|set of 6 19.80;set of 12 37.40
Supplies / Tableware|set|Tea glasses|set of 6 16.40;set of 12 30.90
Supplies / Tableware|set|Plates|set of 6 28.40;set of 12 54.00
Supplies / Tableware|set|Wine glasses|set of 6 21.60;set of 12 40.80
Supplies / Tableware|set|Cutlery|set of 24 48.00;set of 48 92.00
Supplies / Tableware|piece|Carafe|0.5 l 7.40;1 l 9.20
Supplies / Kitchen|piece|Frying pan|24 cm 32.00;28 cm 38.00;32 cm 46.00
Supplies / Kitchen|piece|Stock pot|10 l 64.00;20 l 98.00
Supplies / Kitchen|piece|Chef's knife|18 cm 44.00;22 cm 52.00
Supplies / Kitchen|piece|Cutting board|beech 14.50;olive wood 33.00
Supplies / Cleaning|can|All-purpose cleaner|5 l 12.60;10 l 22.80
Supplies / Cleaning|can|Dishwasher detergent|5 l 18.40;10 l 33.90
Supplies / Cleaning|can|Laundry detergent|5 l 16.90;10 l 30.40
Equipment / Coffee|piece|Coffee machine|1 group 1450.00;2 groups 2480.00
Equipment / Coffee|piece|Coffee grinder|compact 290.00;professional 640.00
Equipment / Coffee|box|Descaler|1 l 8.90;5 l 34.00
Equipment / Coffee|box|Paper filters|box of 250 6.80;box of 1000 22.40
Equipment / Tea|piece|Samovar|3 l 185.00;5 l 240.00
Equipment / Outdoor|piece|Parasol|2 m 89.00;3 m 149.00
Equipment / Outdoor|piece|Sun lounger|aluminium 129.00;teak 245.00
Equipment / Outdoor|piece|Lounger cushion|sand 39.00;navy 39.00
Food / Cheese|case|Feta|barrel 12 kg 108.00;tin 4 kg 39.00;packs of 200 g 46.00
Food / Drinks|case|Mineral water|0.5 l 6.20;1 l 7.40;sparkling 8.80
Food / Drinks|case|Fruit juice|orange 13.20;sour cherry 14.10;pomegranate 17.60
Supplies / Decoration|box|Candles|white 11.20;beeswax 18.60
Supplies / Decoration|piece|Vase|small 9.80;large 24.50
Services|trip|Delivery|mainland 25.00;islands 65.00;abroad 120.00
Services|visit|Coffee machine service|yearly 90.00;repair 140.00
Services|hour|Barista training|group 75.00
"""

TOGETHER: tuple[tuple[str, str, float], ...] = (
    ("Coffee beans, espresso 1 kg", "Coffee cups, set of 6", 0.35),
    ("Coffee machine, 1 group", "Coffee grinder, compact", 0.7),
    ("Coffee machine, 2 groups", "Coffee grinder, professional", 0.75),
    ("Bath towel, white", "Hand towel, white", 0.6),
    ("Sun lounger, teak", "Lounger cushion, sand", 0.65),
    ("Tea, Persian black", "Tea glasses, set of 6", 0.5),
    ("Hotel soap, box of 200", "Shampoo, box of 100", 0.55),
    ("Coffee beans, filter 1 kg", "Paper filters, box of 250", 0.6),
)
"""Who buys the first often buys the second with it."""


def catalogue() -> list[Product]:
    """Return all products, in order."""
    found: list[Product] = []
    for line in _LINES.strip().splitlines():
        category, unit, what, kinds = line.split("|")
        for told in kinds.split(";"):
            name, _, price = told.rpartition(" ")
            number = len(found) + 1
            initials = "".join(word[0] for word in what.split()).upper()
            found.append(
                Product(
                    id=f"p{number:03d}",
                    reference=f"{initials}-{number:03d}",
                    name=f"{what}, {name}",
                    category=category,
                    kind="service" if category == "Services" else "goods",
                    unit=unit,
                    price=Decimal(price),
                )
            )
    return found
