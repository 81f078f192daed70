"""Events on their way: from the transaction that recorded them to whoever hears of them.

``dispatch`` makes one delivery per handler, ``relay`` hands them over, ``upkeep`` tidies.
"""
