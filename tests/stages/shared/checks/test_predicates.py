"""The verb of a question against the same verb in its sentence, on encyclopaedia, news and dialogue."""

import pytest

from datagen.stages.shared.checks import claims
from datagen.stages.shared.checks.own_words import turned
from datagen.stages.shared.checks.predicates import has_subject
from datagen.stages.shared.language.rules import UNKNOWN, language_of
from tests.support.rejections import rejection

EN = language_of("en")

GLASS = "The harbour of Port Selwyn was dredged by Dutch engineers in 1874 after three storms had silted its mouth."
WAR = "Sweden declared war on Saxony in May 1702, and Charles XII defeated the Polish army at Kliszow."
BOOK = "Marta Velde wrote the first grammar of the Livvi language while she taught at the mission school in Olonets."
LICHEN = (
    "The lichen absorbs water from fog, feeds the larvae of two moths and does not tolerate sulphur dioxide."
)
KING = "Haakon succeeded his uncle Inge as king of Norway in 1217."
RIVER = "The Orsa joins the Volta above the falls at Brenn and drains the eastern half of the plateau."
COMET = "The comet was named after the astronomer Lise Harding, who photographed it from Cape Town."
MUSEUM = (
    "The museum bought the tapestry from a dealer in Ghent and lent it to the city of Bruges for ten years."
)
TEACH = "Ritter taught Alma Berg the harpsichord, and Berg later taught Jonas Ek."
MAYOR = "Mayor Lena Ortiz rejected calls to resign on Tuesday after auditors found that two contracts had been signed without a tender."
SUE = "Halden Foods sued its former supplier Nordkorn in March over spoiled barley, a court filing shows."
DENY = "The minister denied that the government had planned to sell the port to a foreign company."
MERGER = "Without the consent of the regulator, Avia cannot merge with Linea before 2027."
TEAM = "Porto beat Lyon 2-1 in the final after Costa missed a penalty."
THREAT = "The union threatened to strike if the company closed the Leeds plant."
ALMOST = "The bridge almost collapsed in 1987 when a barge struck its middle pier."
PARCEL = "Anna told Peter that the parcel had arrived at the depot on Monday."
CAR = "Tom refused to lend Maria the car because she had lost her licence."
REFUND = "I asked the clerk for a refund, but she offered me a voucher for forty euros instead."
GRANDMA = "Grandma would have visited us in June if the trains had been running."
TENT = "My sister borrowed the tent from our neighbour and returned it to him on Sunday."
SCHOOL = "Ben hopes to study medicine in Graz after he leaves school."
NICKEL = "Nickel was isolated in 1751 by Axel Cronstedt, who named it after a goblin of German mines."
TREATY = "The Treaty of Lund ended the war between Denmark and Sweden, but it returned no land to either."
OBSERVATORY = (
    "The observatory at Kvistaberg was given to Uppsala by Nils Tamm, a painter who had studied in Paris."
)
SIEGE = "The Ottoman fleet besieged Rhodes in 1522, and Suleiman allowed the knights to leave the island."
SAFFRON = "Saffron contains crocin, which gives the dye its colour; it does not contain curcumin."
NOVELIST = "Magda Sabo dedicated her second novel to her sister, who had typed the manuscript."
PROSECUTOR = "The prosecutor dropped the charges against Moser after a witness withdrew her statement."
FINE = "Regulators fined Telvia 3 million euros for charging customers without their consent."
POOL = "Residents want the council to reopen the swimming pool, which was closed in 2019."
AIRLINE = "The airline plans to cancel its flights to Oslo in May unless the pilots accept the offer."
STAGE = "Ferro would have won the stage if his chain had not broken in the last climb."
COURT = "The court ordered the city to pay Nowak 40,000 euros, not the 90,000 that he had asked for."
LORRY = "Police questioned the driver of the lorry but did not arrest him."
BICYCLE = "Paul lent his bicycle to Irene, but she forgot to lock it outside the station."
MANAGER = "My manager asked Chloe to call the supplier before lunch."
FERRY = "We could have taken the ferry at noon, but Leo had forgotten the tickets."
WINDOW = "Sam claims that Julia broke the window in the kitchen."
AUNT = "Aunt Rosa taught me how to bake bread when I stayed with her in Lucca."
GLACIER = "The glacier is fed by snow that the wind carries over the ridge from the west."
VACC = "The vaccine protects cattle against anthrax but not against blackleg."
STRIKE = "Drivers voted against the strike by 412 votes to 380, so buses will run as usual on Friday."
FIRE = "A fire destroyed the timber warehouse on Dock Road early on Sunday, but nobody was hurt."
BANK = "The central bank lowered its key rate from 4.5 to 4.25 percent, against the advice of two of its members."
BEAVERS = "Beavers dam streams, and wolves hunt the beavers when deer become scarce."
OLM = "Unlike the common newt, the olm never leaves the water and breathes through gills."
LENA = "The Lena flows into the Laptev Sea, and its delta freezes in October."
PRIZE = "Nobody claimed the prize of 2 million francs before the deadline on 30 June."
DEFICIT = "The trade deficit fell from 8 billion in July to 6 billion in August."
SHOP = "If the shop opens on Sunday, Karim will buy the paint there."


SOUND = [
    ("Who was the harbour of Port Selwyn dredged by?", "Dutch engineers", GLASS, ""),
    ("When was the harbour of Port Selwyn dredged?", "in 1874", GLASS, ""),
    ("What had three storms silted?", "its mouth", GLASS, ""),
    ("Who declared war on Saxony in May 1702?", "Sweden", WAR, ""),
    ("What did Sweden declare war on in May 1702?", "Saxony", WAR, ""),
    ("Where did Charles XII defeat the Polish army?", "at Kliszow", WAR, ""),
    ("Who defeated the Polish army at Kliszow?", "Charles XII", WAR, ""),
    ("Who wrote the first grammar of the Livvi language?", "Marta Velde", BOOK, ""),
    ("What did Marta Velde write while she taught at the mission school?", "the first grammar of the Livvi language", BOOK, ""),
    ("What absorbs water from fog?", "The lichen", LICHEN, ""),
    ("What does the lichen not tolerate?", "sulphur dioxide", LICHEN, ""),
    ("What does the lichen feed?", "the larvae of two moths", LICHEN, ""),
    ("Who did Haakon succeed as king of Norway in 1217?", "his uncle Inge", KING, ""),
    ("Who succeeded Inge as king of Norway in 1217?", "Haakon", KING, ""),
    ("What does the Orsa join above the falls at Brenn?", "the Volta", RIVER, ""),
    ("What does the Orsa drain?", "the eastern half of the plateau", RIVER, ""),
    ("What is the glacier fed by?", "snow that the wind carries over the ridge from the west", GLACIER, ""),
    ("Who was the comet named after?", "the astronomer Lise Harding", COMET, ""),
    ("What was named after the astronomer Lise Harding?", "The comet", COMET, ""),
    ("Who did the museum buy the tapestry from?", "a dealer in Ghent", MUSEUM, ""),
    ("What does the vaccine protect cattle against?", "anthrax", VACC, ""),
    ("What did Ritter teach Alma Berg?", "the harpsichord", TEACH, ""),
    ("Who taught Alma Berg the harpsichord?", "Ritter", TEACH, ""),
    ("When did Mayor Lena Ortiz reject calls to resign?", "on Tuesday", MAYOR, ""),
    ("What did auditors find on Tuesday?", "that two contracts had been signed without a tender", MAYOR, ""),
    ("What did drivers vote against by 412 votes to 380?", "the strike", STRIKE, ""),
    ("What destroyed the timber warehouse on Dock Road early on Sunday?", "A fire", FIRE, ""),
    ("When did Halden Foods sue its former supplier Nordkorn?", "in March", SUE, ""),
    ("Who sued its former supplier Nordkorn in March over spoiled barley?", "Halden Foods", SUE, ""),
    ("What did the central bank lower its key rate from?", "4.5", BANK, ""),
    ("What did the minister deny?", "that the government had planned to sell the port to a foreign company", DENY, ""),
    ("Who beat Lyon 2-1 in the final?", "Porto", TEAM, ""),
    ("Who missed a penalty in the final?", "Costa", TEAM, ""),
    ("When did the union threaten to strike?", "if the company closed the Leeds plant", THREAT, ""),
    ("When did the bridge almost collapse?", "in 1987", ALMOST, ""),
    ("Who did Anna tell that the parcel had arrived at the depot?", "Peter", PARCEL, ""),
    ("When had the parcel arrived at the depot?", "on Monday", PARCEL, ""),
    ("Why did Tom refuse to lend Maria the car?", "because she had lost her licence", CAR, ""),
    ("What did I ask the clerk for?", "a refund", REFUND, ""),
    ("What did my sister borrow from our neighbour?", "the tent", TENT, ""),
    ("When does Ben hope to study medicine in Graz?", "after he leaves school", SCHOOL, ""),
    ("Who was nickel isolated by in 1751?", "Axel Cronstedt", NICKEL, ""),
    ("What was nickel named after?", "a goblin of German mines", NICKEL, ""),
    ("Who isolated nickel in 1751?", "Axel Cronstedt", NICKEL, ""),
    ("What did the Treaty of Lund end?", "the war between Denmark and Sweden", TREATY, ""),
    ("When do wolves hunt the beavers?", "when deer become scarce", BEAVERS, ""),
    ("Who was the observatory at Kvistaberg given to Uppsala by?", "Nils Tamm", OBSERVATORY, ""),
    ("What was given to Uppsala by Nils Tamm?", "The observatory at Kvistaberg", OBSERVATORY, ""),
    ("What does the olm breathe through?", "gills", OLM, ""),
    ("What does the olm never leave?", "the water", OLM, ""),
    ("When did the Ottoman fleet besiege Rhodes?", "in 1522", SIEGE, ""),
    ("Who allowed the knights to leave the island?", "Suleiman", SIEGE, ""),
    ("Who did Magda Sabo dedicate her second novel to?", "her sister", NOVELIST, ""),
    ("What does the Lena flow into?", "the Laptev Sea", LENA, ""),
    ("What did the prosecutor drop after a witness withdrew her statement?", "the charges against Moser", PROSECUTOR, ""),
    ("When did the prosecutor drop the charges against Moser?", "after a witness withdrew her statement", PROSECUTOR, ""),
    ("Who did regulators fine 3 million euros for charging customers without their consent?", "Telvia", FINE, ""),
    ("How much did regulators fine Telvia for charging customers without their consent?", "3 million euros", FINE, ""),
    ("When was the swimming pool closed?", "in 2019", POOL, ""),
    ("What do residents want the council to reopen?", "the swimming pool", POOL, ""),
    ("When does the airline plan to cancel its flights to Oslo?", "in May", AIRLINE, ""),
    ("What did nobody claim before the deadline on 30 June?", "the prize of 2 million francs", PRIZE, ""),
    ("What would Ferro have won if his chain had not broken?", "the stage", STAGE, ""),
    ("How much did the court order the city to pay Nowak?", "40,000 euros", COURT, ""),
    ("Who did police question?", "the driver of the lorry", LORRY, ""),
    ("What did the trade deficit fall to in August?", "6 billion", DEFICIT, ""),
    ("Who did Paul lend his bicycle to?", "Irene", BICYCLE, ""),
    ("What did Paul lend to Irene?", "his bicycle", BICYCLE, ""),
    ("Who asked Chloe to call the supplier before lunch?", "My manager", MANAGER, ""),
    ("Who claims that Julia broke the window in the kitchen?", "Sam", WINDOW, ""),
    ("What does Sam claim that Julia broke in the kitchen?", "the window", WINDOW, ""),
    ("Who taught me how to bake bread in Lucca?", "Aunt Rosa", AUNT, ""),
    ("When will Karim buy the paint?", "If the shop opens on Sunday", SHOP, ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("question", "answer", "evidence", "reason"),
    [
        ("When were Dutch engineers dredged?", "in 1874", GLASS, "confuses who does what"),
        ("Who silted Dutch engineers?", "three storms", GLASS, "confuses who does what"),
        ("Who declared war on Sweden in May 1702?", "Saxony", WAR, "confuses who does what"),
        ("When did Saxony declare war on Sweden?", "in May 1702", WAR, "confuses who does what"),
        ("Who did the Polish army defeat at Kliszow?", "Charles XII", WAR, "confuses who does what"),
        ("Where did the Polish army defeat Charles XII?", "at Kliszow", WAR, "confuses who does what"),
        ("Who wrote Marta Velde?", "the first grammar of the Livvi language", BOOK, "confuses who does what"),
        ("What absorbs the lichen?", "water from fog", LICHEN, "confuses who does what"),
        ("What feeds the lichen?", "the larvae of two moths", LICHEN, "confuses who does what"),
        ("What does the lichen tolerate?", "sulphur dioxide", LICHEN, "question is not true"),
        ("Who did Inge succeed as king of Norway in 1217?", "Haakon", KING, "confuses who does what"),
        ("When did Inge succeed Haakon as king of Norway?", "in 1217", KING, "confuses who does what"),
        ("What does the Volta join above the falls at Brenn?", "The Orsa", RIVER, "confuses who does what"),
        ("What drains the Orsa?", "the eastern half of the plateau", RIVER, "confuses who does what"),
        ("Who was the astronomer named after?", "The comet", COMET, "confuses who does what"),
        ("Who photographed Lise Harding from Cape Town?", "the astronomer", COMET, "confuses who does what"),
        ("Who bought the museum?", "a dealer in Ghent", MUSEUM, "confuses who does what"),
        ("Who lent the tapestry to the museum for ten years?", "the city of Bruges", MUSEUM, "confuses who does what"),
        ("Who did Alma Berg teach the harpsichord?", "Ritter", TEACH, "confuses who does what"),
        ("Who taught Alma Berg later?", "Jonas Ek", TEACH, "confuses who does what"),
        ("Why did Mayor Lena Ortiz resign on Tuesday?", "after auditors found that two contracts had been signed without a tender", MAYOR, "answer of another kind"),
        ("When did Mayor Lena Ortiz resign?", "on Tuesday", MAYOR, "question is not true"),
        ("Who sued Halden Foods in March over spoiled barley?", "Nordkorn", SUE, "confuses who does what"),
        ("When did Nordkorn sue Halden Foods?", "in March", SUE, "confuses who does what"),
        ("What had the government planned to sell to a foreign company?", "the port", DENY, "question is not true"),
        ("When can Avia merge with Linea?", "before 2027", MERGER, "question is not true"),
        ("Who did Lyon beat 2-1 in the final?", "Porto", TEAM, "confuses who does what"),
        ("Why did Porto miss a penalty?", "after Costa", TEAM, "answer of another kind"),
        ("Why did the union strike?", "if the company closed the Leeds plant", THREAT, "question is not true"),
        ("When did the bridge collapse?", "in 1987", ALMOST, "question is not true"),
        ("Who told Anna that the parcel had arrived at the depot?", "Peter", PARCEL, "confuses who does what"),
        ("Where did Anna arrive on Monday?", "at the depot", PARCEL, "confuses who does what"),
        ("What did Tom lend Maria?", "the car", CAR, "question is not true"),
        ("Why did Maria refuse to lend Tom the car?", "because she had lost her licence", CAR, "confuses who does what"),
        ("Who asked me for a refund?", "the clerk", REFUND, "confuses who does what"),
        ("What did the clerk ask for?", "a refund", REFUND, "confuses who does what"),
        ("When did Grandma visit us?", "in June", GRANDMA, "question is not true"),
        ("Who borrowed the tent from my sister?", "our neighbour", TENT, "confuses who does what"),
        ("Where did Ben study medicine?", "in Graz", SCHOOL, "question is not true"),
        ("When did Ben leave school at?", "after he leaves school", SCHOOL, "superfluous preposition"),
        ("When was Axel Cronstedt isolated?", "in 1751", NICKEL, "confuses who does what"),
        ("Who named Axel Cronstedt after a goblin of German mines?", "Nickel", NICKEL, "confuses who does what"),
        ("Who was isolated in 1751 by Nickel?", "Axel Cronstedt", NICKEL, "confuses who does what"),
        ("What ended the Treaty of Lund between Denmark and Sweden?", "the war", TREATY, "confuses who does what"),
        ("Who was Nils Tamm given to by the observatory at Kvistaberg?", "Uppsala", OBSERVATORY, "confuses who does what"),
        ("When did Rhodes besiege the Ottoman fleet?", "in 1522", SIEGE, "confuses who does what"),
        ("Who allowed Suleiman to leave the island?", "the knights", SIEGE, "confuses who does what"),
        ("What did the knights allow Suleiman to leave?", "the island", SIEGE, "confuses who does what"),
        ("What does crocin contain that gives the dye its colour?", "Saffron", SAFFRON, "question is not true"),
        ("What does saffron contain besides crocin?", "curcumin", SAFFRON, "question is not true"),
        ("Who dedicated Magda Sabo to her second novel?", "her sister", NOVELIST, "confuses who does what"),
        ("What did Magda Sabo type?", "the manuscript", NOVELIST, "confuses who does what"),
        ("Who dropped the prosecutor after a witness withdrew her statement?", "Moser", PROSECUTOR, "confuses who does what"),
        ("Who did a witness drop the charges against?", "Moser", PROSECUTOR, "confuses who does what"),
        ("Why did Moser withdraw her statement?", "after a witness", PROSECUTOR, "answer of another kind"),
        ("Who fined regulators 3 million euros for charging customers?", "Telvia", FINE, "confuses who does what"),
        ("How much did Telvia fine regulators?", "3 million euros", FINE, "confuses who does what"),
        ("Who did Telvia charge with their consent?", "customers", FINE, "question is not true"),
        ("When did the council reopen the swimming pool?", "in 2019", POOL, "question is not true"),
        ("When did the airline cancel its flights to Oslo?", "in May", AIRLINE, "question is not true"),
        ("What did Ferro win in the last climb?", "the stage", STAGE, "question is not true"),
        ("How much did the court order the city to pay Nowak?", "90,000", COURT, "question is not true"),
        ("Who ordered the court to pay Nowak 40,000 euros?", "the city", COURT, "confuses who does what"),
        ("Who did police arrest?", "the driver of the lorry", LORRY, "question is not true"),
        ("Who questioned police about the lorry?", "the driver", LORRY, "confuses who does what"),
        ("Who lent his bicycle to Paul?", "Irene", BICYCLE, "confuses who does what"),
        ("Who asked my manager to call the supplier before lunch?", "Chloe", MANAGER, "confuses who does what"),
        ("Who did Chloe ask to call the supplier before lunch?", "My manager", MANAGER, "confuses who does what"),
        ("When did we take the ferry?", "at noon", FERRY, "question is not true"),
        ("What had the tickets forgotten?", "Leo", FERRY, "confuses who does what"),
        ("What did Julia break in the kitchen?", "the window", WINDOW, "question is not true"),
        ("Who did I teach how to bake bread in Lucca?", "Aunt Rosa", AUNT, "confuses who does what"),
        ("What gives the dye of saffron its colour?", "crocin", SAFFRON, ""),
        ("Who had forgotten the tickets for the ferry?", "Leo", FERRY, ""),
        *SOUND,
    ],
)  # fmt: skip
def test_a_question_keeps_the_sides_of_its_verb_and_what_did_not_happen(question, answer, evidence, reason):
    assert rejection(claims.entailed, question, answer, evidence, EN) == reason


@pytest.mark.parametrize(
    ("question", "answer", "evidence", "reason"),
    [
        ("When did three storms dredge the harbour of Port Selwyn?", "in 1874", GLASS, "question is not true"),
        ("What is the wind carried by over the ridge from the west?", "snow", GLACIER, "question is not true"),
        ("Who did the museum buy the tapestry for?", "a dealer in Ghent", MUSEUM, "question is not true"),
        ("What does the vaccine protect against cattle?", "anthrax", VACC, "question is not true"),
        ("How many votes did drivers vote for the strike by?", "412 votes to 380", STRIKE, "question is not true"),
        ("Who did the central bank lower its key rate with the advice of?", "two of its members", BANK, "question is not true"),
        ("What did the central bank lower its key rate to?", "4.5", BANK, "question is not true"),
        ("What flows into the Lena?", "the Laptev Sea", LENA, "question is not true"),
        ("Who accepted the offer of the airline?", "the pilots", AIRLINE, "question is not true"),
        ("When was the prize of 2 million francs claimed?", "before the deadline on 30 June", PRIZE, "question is not true"),
        ("When did the trade deficit rise from 8 billion to 6 billion?", "August", DEFICIT, "question is not true"),
        ("What did Irene lock outside the station?", "his bicycle", BICYCLE, "question is not true"),
        ("Who stayed with Aunt Rosa to bake bread in Paris?", "me", AUNT, "question is not true"),
        ("What did Karim buy there on Sunday?", "the paint", SHOP, "question is not true"),
        *SOUND,
    ],
)  # fmt: skip
def test_a_question_in_the_words_of_its_sentence_states_no_more(question, answer, evidence, reason):
    assert rejection(turned, question, answer, evidence, EN) == reason


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("When do keep only globs apply?", "ungrammatical"),
        ("Why does explicitely add them?", "ungrammatical"),
        ("What does return the number of items?", "ungrammatical"),
        ("When did only remove all files?", "ungrammatical"),
        ("What will result if attempting to hash a list?", "ungrammatical"),
        ("What is raised unless passing the flag?", "ungrammatical"),
        ("When does the parser keep only globs?", ""),
        ("Why does Python explicitly add them?", ""),
        ("What does set do?", ""),
        ("Why do support teams keep logs?", ""),
        ("How do they add them?", ""),
        ("When do only globs match?", ""),
        ("What happens if string literals are adjacent?", ""),
        ("What happens if nothing in the list matches?", ""),
        ("What is raised when attempting to hash a list?", ""),
    ],
)
def test_an_auxiliary_and_a_condition_need_a_subject(question, reason):
    assert rejection(has_subject, question, EN) == reason


def test_without_word_lists_nothing_is_judged():
    for question, answer, evidence in (
        ("Who sued Halden Foods in March?", "Nordkorn", SUE),
        ("When do keep only?", "x", SUE),
    ):
        assert rejection(claims.entailed, question, answer, evidence, UNKNOWN) == ""
        assert rejection(turned, question, answer, evidence, UNKNOWN) == ""


ACT = "The Director may grant a patent to the inventor, and the assignment provided in paragraph 1 may be extended."
TERM = "The term “record” means all books, maps and letters of the agency; it does not mean a library."


@pytest.mark.parametrize(
    ("question", "answer", "evidence", "reason"),
    [
        ("Who can grant a patent to the inventor?", "The Director", ACT, ""),
        ("What can the Director grant to the inventor?", "a patent", ACT, ""),
        ("Who must grant a patent to the inventor?", "The Director", ACT, "question is not true"),
        ("What may grant a patent to the inventor?", "The Director", ACT, "answer of another kind"),
        ("What can grant a patent to the inventor?", "The Director", ACT, "answer of another kind"),
        (
            "What may repay the loan?",
            "The estate of a member",
            "The estate of a member may repay the loan.",
            "",
        ),
        ("Who may provide the assignment in paragraph 1?", "The Director", ACT, "question is not true"),
        ("Where may the assignment provide be extended?", "in paragraph 1", ACT, "ungrammatical"),
        ("What does the term “record” mean?", "all books", TERM, "cut from a longer answer"),
        ("What does the term “record” mean?", "all books, maps and letters of the agency", TERM, ""),
    ],
)
def test_a_question_about_a_statute_keeps_its_modals_persons_and_definitions(
    question, answer, evidence, reason
):
    assert rejection(turned, question, answer, evidence, EN) == reason


# Sentences that name the subject after its verb, and one verb among several.
@pytest.mark.parametrize(
    ("question", "answer", "evidence"),
    [
        ("What was the name given to the section?", "Brook", "A section in the south was given the name Brook."),
        ("Who joined the club in May?", "Ada Holz", "In May joined Ada Holz and two friends the club."),
        ("What does corporal punishment cause a student?", "pain", "Punishment of the student in order to cause pain was common."),
        ("What is the bad air theory known as?", "the Miasma theory", "Today this is known as the Miasma theory."),
    ],
)  # fmt: skip
def test_an_unusual_order_is_not_a_swap(question, answer, evidence):
    assert rejection(claims.entailed, question, answer, evidence, EN) == ""


def test_one_of_several_does_not_answer_which():
    evidence = "Some sequence types such as range only support items that follow a pattern."
    question = "Which sequence type only supports items that follow a pattern?"
    assert rejection(turned, question, "range", evidence, EN) == "question is not true"
