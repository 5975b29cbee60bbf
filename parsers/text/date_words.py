"""Words of dates: months, weekdays, labels and time zones in the languages of the news.

Words are compared without accents and in lower case. A word with two meanings is left out:
``lipca`` is July in Polish, ``lip`` is June in Croatian.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

_MONTHS = (
    # English, German, French, Spanish, Italian, Portuguese, Dutch, Nordic, Slavic, other
    "jan january januar jänner jän janvier janv enero ene gennaio gen janeiro januari janúar tammikuuta tammikuu stycznia styczeń"
    " ledna leden január januára января январь янв січня ianuarie ocak gener ιανουαρίου ιανουάριος ιαν",
    "feb february februar feber février févr fév febrero febbraio fevereiro fev februari febrúar helmikuuta helmikuu lutego luty"
    " února únor február februára февраля февраль фев февр лютого februarie şubat febrer φεβρουαρίου φεβρουάριος φεβ",
    "mar march märz mär mrz mars marzo março maart mrt marts maaliskuuta maaliskuu marca marzec března březen március"
    " марта март мар березня martie mart març μαρτίου μάρτιος μαρ",
    "apr april avril avr abril abr aprile huhtikuuta huhtikuu kwietnia kwiecień dubna duben apríl apríla április"
    " апреля апрель апр квітня aprilie nisan απριλίου απρίλιος απρ",
    "may mai mayo maggio mag maio mei maj toukokuuta toukokuu maja května květen máj mája május мая май травня mayıs maig"
    " μαΐου μάιος μαι",
    "jun june juni juin junio giugno giu junho kesäkuuta kesäkuu czerwca czerwiec června červen jún júna június"
    " июня июнь июн червня iunie haziran juny ιουνίου ιούνιος ιουν",
    "jul july juli juillet juil julio luglio lug julho heinäkuuta heinäkuu lipca lipiec července červenec júl júla július"
    " июля июль июл липня iulie temmuz juliol ιουλίου ιούλιος ιουλ",
    "aug august août aout agosto ago augustus augusti elokuuta elokuu sierpnia sierpień srpna augusztus augusta"
    " августа август авг серпня ağustos agost αυγούστου αύγουστος αυγ",
    "sep sept september septembre septiembre settembre set setembro syyskuuta syyskuu września wrzesień září szeptember septembra"
    " сентября сентябрь сен сент вересня septembrie eylül setembre σεπτεμβρίου σεπτέμβριος σεπ",
    "oct october oktober okt octobre octubre ottobre ott outubro out lokakuuta lokakuu października październik října říjen október októbra"
    " октября октябрь окт жовтня octombrie ekim οκτωβρίου οκτώβριος οκτ",
    "nov november novembre noviembre novembro marraskuuta marraskuu listopada listopad listopadu novembra"
    " ноября ноябрь ноя листопада noiembrie kasım νοεμβρίου νοέμβριος νοε",
    "dec december dezember dez décembre déc diciembre dic dicembre dezembro desember des joulukuuta joulukuu grudnia grudzień prosince prosinec decembra"
    " декабря декабрь дек грудня decembrie aralık desembre δεκεμβρίου δεκέμβριος δεκ",
)  # fmt: skip

_WEEKDAYS = """
mon monday tue tues tuesday wed weds wednesday thu thur thurs thursday fri friday sat saturday sun sunday
mo di mi do fr sa so montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag
lun mar mer jeu ven sam dim lundi mardi mercredi jeudi vendredi samedi dimanche
mie jue vie sab dom lunes martes miercoles jueves viernes sabado domingo
gio lunedi martedi mercoledi giovedi venerdi domenica
seg ter qua qui sex segunda terca quarta quinta sexta feira
ma wo vr za zo maandag dinsdag woensdag donderdag vrijdag zaterdag zondag
man tis tir ons tors tor fre lor son mandag tirsdag onsdag torsdag fredag lordag sondag tisdag
ti ke to pe la su maanantai tiistai keskiviikko torstai perjantai lauantai sunnuntai
pon wt sr czw pt sob niedz nd poniedzialek wtorek sroda czwartek piatek sobota niedziela
po ut st ct pa ne pondeli utery streda ctvrtek patek sobota nedele pondelok utorok stvrtok piatok nedela
пн вт ср чт пт сб вс понедельник вторник среда четверг пятница суббота воскресенье
pazartesi sali carsamba persembe cuma cumartesi pazar hetfo kedd szerda csutortok pentek szombat vasarnap
luni marti miercuri joi vineri sambata duminica
δευτέρα τρίτη τετάρτη πέμπτη παρασκευή σάββατο κυριακή δευ τρι τετ πεμ παρ σαβ κυρ
понеділок вівторок середа четвер п'ятниця субота неділя
"""

_FILLERS = """
de del do da of the den der le el il la at um a las om kl klo klockan uhr uur ore alle godz o v ve в г р года року om on am
published publish publication posted post written created date time pubdate issued
veroffentlicht erstellt verfasst geschrieben datum publie ecrit cree publicado publicada escrito creado fecha data
pubblicato pubblicata publicerad udgivet publisert julkaistu gepubliceerd geplaatst
opublikowano dodano utworzono publikovano zverejneno vydano опубликовано дата час
"""


def fold(word: str) -> str:
    """Return a word in lower case without accents and final dot."""
    plain = unicodedata.normalize("NFD", word.casefold().rstrip("."))
    return "".join(character for character in plain if not unicodedata.combining(character))


MONTHS: Mapping[str, int] = MappingProxyType(
    {fold(name): number for number, names in enumerate(_MONTHS, start=1) for name in names.split()}
)
"""The number of a month by its folded name."""

WEEKDAYS = frozenset(map(fold, _WEEKDAYS.split()))
FILLERS = frozenset(map(fold, _FILLERS.split()))
"""Words between the parts of a date, and labels of a publication time."""

# RFC 822 defines the American names; the others have one meaning in the news. Names with
# several offsets (BST, IST, AST) stay unknown.
ZONES: Mapping[str, float | str] = MappingProxyType(
    {
        "z": 0, "ut": 0, "utc": 0, "gmt": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5,
        "mst": -7, "mdt": -6, "pst": -8, "pdt": -7, "jst": 9, "kst": 9, "hkt": 8, "sgt": 8,
        "bjt": 8, "cet": 1, "cest": 2, "mez": 1, "mesz": 2, "eet": 2, "eest": 3, "wet": 0,
        "west": 1, "msk": 3, "aest": 10, "aedt": 11, "acst": 9.5, "acdt": 10.5, "awst": 8,
        "nzst": 12, "nzdt": 13, "akst": -9, "akdt": -8, "hst": -10, "sast": 2, "eat": 3,
        "wib": 7, "pht": 8, "pkt": 5, "brt": -3, "et": "America/New_York",
        "ct": "America/Chicago", "mt": "America/Denver", "pt": "America/Los_Angeles",
    }
)  # fmt: skip
"""The offset in hours or the IANA name of an abbreviation."""
