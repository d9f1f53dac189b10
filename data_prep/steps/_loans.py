"""Words that languages take over from English or share with it, so that a caption of them is not left in English.

They are the CLDR names (48.2) that five languages or more have in English's spelling, by `_text.key`; locales of one
language count once, and languages with more than a tenth of such names (Filipino) do not. A test derives them anew.
"""

from __future__ import annotations

# fmt: off
LOANS = frozenset([
    "alien", "aquarius", "aries", "astronaut", "avocado", "baby", "bacon", "badminton", "bagel", "banana",
    "banjo", "bank", "baseball", "basketball", "bikini", "bison", "boomerang", "bowling", "broccoli",
    "bubble tea", "burrito", "bus", "cactus", "camping", "cancer", "capricorn", "copyright", "croissant",
    "cupcake", "dango", "dna", "dodo", "dumpling", "dvd", "e mail", "elf", "falafel", "flamingo", "fleur de lis",
    "fondue", "gemini", "goblin", "gorilla", "hamburger", "hamsa", "hamster", "hibiscus", "hospital", "hot dog",
    "hotel", "jack o lantern", "jeans", "joker", "joystick", "kaaba", "khanda", "kimono", "koala", "label",
    "lacrosse", "laptop", "leo", "leopard", "libra", "lime", "llama", "lotus", "love hotel", "magnet", "mango",
    "maracas", "mate", "melon", "memo", "menorah", "metro", "minibus", "minus", "moai", "monorail", "mosquito",
    "mx claus", "ninja", "oden", "om", "ophiuchus", "orangutan", "pager", "panda", "phoenix", "pilot",
    "ping pong", "pisces", "pizza", "piñata", "plus", "popcorn", "pretzel", "printer", "radio", "ring", "robot",
    "rose", "sagittarius", "sake", "salt", "sandwich", "sari", "sauropod", "scorpio", "selfie", "shorts",
    "skateboard", "skis", "skunk", "snowboarder", "softball", "spaghetti", "student", "sushi", "t rex", "t shirt",
    "taco", "tamale", "taurus", "taxi", "tennis", "tiger", "toilet", "tokyo tower", "tornado", "trackball",
    "tractor", "tram", "troll", "trolleybus", "unicorn", "violin", "virgo", "volleyball", "waffle", "yin yang",
    "yo yo", "zebra", "zombie", "zzz",
])
# fmt: on
