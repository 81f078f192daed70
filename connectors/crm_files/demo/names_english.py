"""The United Kingdom; landline numbers are of the ranges set aside for drama."""

from __future__ import annotations

from crm_files.demo.language import Language, cities, plain, same, words
from crm_files.demo.vat import british

ENGLISH = Language(
    tag="en-GB",
    country="GB",
    currency="EUR",
    share=0.14,
    men=words(
        "James John Robert Michael William David Richard Joseph Thomas Charles Christopher "
        "Daniel Matthew Anthony Mark Paul Steven Andrew Kenneth George Edward Brian Kevin "
        "Timothy Jason Jeffrey Ryan Gary Nicholas Eric Stephen Jonathan Larry Scott Benjamin "
        "Samuel Patrick Alexander Jack Dennis Seán"
    ),
    women=words(
        "Mary Patricia Jennifer Linda Elizabeth Barbara Susan Jessica Sarah Karen Nancy "
        "Margaret Lisa Betty Dorothy Sandra Ashley Kimberly Donna Emily Michelle Carol Amanda "
        "Melissa Deborah Stephanie Rebecca Laura Sharon Cynthia Kathleen Amy Angela Shirley "
        "Brenda Emma Zoë Chloë Siân Niamh Olivia"
    ),
    families=words(
        "Smith Jones Taylor Brown Williams Wilson Johnson Davies Patel Robinson Wright Thompson "
        "Evans Walker White Roberts Green Hall Thomas Clarke Jackson Wood Harris Edwards Turner "
        "Martin Cooper Hill Ward Hughes Moore Clark King Harrison Lewis Baker Lee Allen Morris "
        "Khan Scott Watson Davis Parker James Bennett Young Phillips Richardson Mitchell Bailey "
        "Carter Cook Singh Shaw Bell Collins Morgan Kelly Begum Cox Hussain O'Neill O'Connor "
        "MacDonald"
    ),
    feminine=same,
    latin=plain({}),
    places=cities(
        """
        London|Greater London|SW# #@@|+44 20 7946 0###
        London|Greater London|N# #@@|+44 20 7946 0###
        Manchester|Greater Manchester|M# #@@|+44 161 496 0###
        Birmingham|West Midlands|B# #@@|+44 121 496 0###
        Leeds|West Yorkshire|LS# #@@|+44 113 496 0###
        Sheffield|South Yorkshire|S# #@@|+44 114 496 0###
        Bristol|Bristol|BS# #@@|+44 117 496 0###
        Edinburgh|Scotland|EH# #@@|+44 131 496 0###
        Glasgow|Scotland|G# #@@|+44 141 496 0###
        Liverpool|Merseyside|L# #@@|+44 151 496 0###
        Leicester|Leicestershire|LE# #@@|+44 116 496 0###
        Cardiff|Wales|CF# #@@|+44 29 2018 0###
        """
    ),
    streets=words(
        "High Street, Station Road, Church Lane, Market Row, Victoria Road, Mill Lane, King "
        "Street, Queen's Road, Park Avenue, London Road, The Green, Manor Road, Canal Reach, "
        "Albert Street, York Road, Springfield Road, George Street, Grange Road, North Street, "
        "Bridge Street, St Mary's Court, Castle Hill, West End, Orchard Close"
    ),
    address="{number} {street}",
    mobile="+44 7400 1#####",
    vat=british,
    trades=words(
        "Hotel, Tea Room, Café, Bakery, Deli, Restaurant, Guest House, Farm Shop, Bistro, Inn, "
        "Pantry, Kitchen"
    ),
    brands=words(
        "The Olive Tree, Harbour View, The Copper Kettle, The Red Lion, Willow, The Old Mill, "
        "Seaside, Brown & O'Neill, The Fig, Bluebell, The Anchor, Saffron, The Cosy, Rosemary "
        "Lane, The Walled Garden, Juniper, The Lighthouse, Bramble, The Corner, Honeysuckle, "
        "The Swan, Thyme, Cedar House, The Wheatsheaf, Meadow, The Pear Tree, Driftwood, "
        "Lavender, The Crown, Hazel"
    ),
    forms=words("Ltd, LLP, plc"),
    titles=words("Buyer, Owner, Accounts payable, Manager, Head chef, Reception"),
    owners=("alice",),
)
