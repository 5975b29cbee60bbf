"""Refuse pages that take the place of an article: error, consent, login and challenge pages.

A kind is recognized by its heading, by the address that a redirect leads to, or by a short
text that speaks of nothing else. Such a page addresses its reader; an article about cookies
does not. The title in the listing, or a declared article, outweighs a heading: "Page not
found" may be a headline. A page without any word of the title in the
listing is another page, whatever its language.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from parsers.errors import (
    ChallengePage,
    ConsentPage,
    LoginPage,
    SoftNotFound,
    SubscriptionPage,
    WrongPage,
)
from parsers.extract.blocks import Layout
from parsers.extract.metadata import parts_of_title
from parsers.extract.structured import Structured
from parsers.identity import are_alike, words_of
from parsers.model import Page

MAX_TEXT = 700
"""Characters of a text that speaks of nothing but the missing article."""

MAX_TEXT_UNDER_HEADING = 3000
"""Characters of a page whose heading names its kind: consent pages explain at length."""

_MAX_HEADING = 90
_MAX_BARE = 24
"""Size of a heading that names its kind and nothing else; a Han character counts three times."""

_MAX_NOTE = 100
_SENTENCES = re.compile(r"[.!?。！？\n]+")
_HAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_READER = re.compile(
    r"\b(?:you|yours?|please|sorry|click|we|our|us|sie|ihr(?:e[nmrs]?)?|bitte|wir|unser\w*|du|dein\w*|vous|votre|vos"
    r"|nous|notre|nos|usted|su|tus?|tuo|nuestr\w+|por favor|vaya|busc\w+|ops|cerc\w+|você|nosso\w*|nostr\w+|вы|вас|вам|ваш\w*|мы|наш\w*)\b"
    r"|[您你妳亲]|请|請|抱歉|对不起|首页|首頁|返回|本站|本網站|我们|我們",
    re.IGNORECASE,
)
_MIN_WORDS = 3
# Notes address their reader in each third sentence; an article repeats some words of its title.
_MIN_READER_SHARE, _MIN_LISTED_SHARE = 1 / 3, 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """One kind of page.

    Attributes:
        heading: What its heading is; the whole heading must match.
        text: What its text begins with, when that is short.
        path: A segment of the address to which a redirect leads.
    """

    error: type[WrongPage]
    heading: re.Pattern[str]
    text: re.Pattern[str]
    path: re.Pattern[str]


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)


_THING = r"(?:page|article|story|content|file|document|url|item|post|resource|link)s?"
_MISSING = (
    r"(?:(?:was |is |were |are |be |been )?(?:not found|unavailable|gone|missing)|"
    r"(?:is |are )?no(?:t| longer) available|do(?:es)?(?:n['’]t| not) exist|no longer exists?|"
    r"(?:could|can)(?:n['’]t| ?not) be found|(?:has |have )?(?:been |was )?(?:removed|deleted|moved))"
)
_ASKED = (
    r"(?:(?:that |which )?you(?:['’]re| are| were|['’]ve| have)?\W+(?:\w+\W+){1,4}|(?:\w+\W+){0,2})"
)
_PAGE = r"(?:页面|网页|文章|稿件|帖子|链接|頁面|網頁|连结|[该此本的](?:内容|信息|新闻|资讯|內容|新聞|资源))"
_LOST = (
    r"(?:不存在|不见了|走丢了?|丢失了?|未找到|没有找到|没找到|找不到了?|无法找到|无法访问|无法显示|被?删除|下线|"
    r"下架|失效|过期|出错|飞走了|飞到|去了火星|被?刪除|無法找到|沒有找到)"
)

_KINDS = (
    _Kind(
        error=SoftNotFound,
        heading=_any(
            r"(?:(?:http|error|fehler|erreur|errore|erro|ошибка|错误|oops|sorry)\W*)*4(?:04|10)"
            r"(?:\W*|\s*[-–—|:!.,(（].*|\s+(?:error|not|page|file|seite|página|pagina)\b.*)",
            rf"(?:\w+\W+){{0,4}}?{_THING}\W+{_ASKED}{_MISSING}(?!\w).{{0,40}}",
            r"(?:error\W+)?not found\W*|(?:oo+ps|whoops|ups|oups|hoppla)\W*|出错了?\W*|(?:系统)?提示(?:信息)?\W*",
            r"(?:we|i)\W+(?:can(?:no|['’])t|could ?n[o'’]t|couldn['’]t) find\b.{0,40}",
            r"(?:\w+\W+){0,3}(?:page|article) (?:est )?introuvable\W*",
            r"(?:\w+\W+){0,3}(?:seite|artikel|beitrag)\W+(?:\w+\W+){0,3}nicht (?:gefunden|verfügbar|vorhanden)\W*",
            r"(?:página|artículo|contenido|artigo|conteúdo)\W+(?:\w+\W+){0,2}(?:no|não)\W+(?:\w+\W+){0,2}"
            r"(?:encontrad[ao]|disponible|disponível|existe)\W*",
            r"pagina\W+(?:\w+\W+){0,2}(?:non|niet)\W+(?:\w+\W+)?(?:trovata|gevonden|esiste)\W*",
            r"страница\W+(?:\w+\W+)?не\W+(?:найдена|существует)\W*",
            r"(?:strona\W+)?nie (?:została )?znalezion[ao](?:\W+strony)?\W*",
            r"sid(?:an|en)\W+(?:\w+\W+){0,3}(?:hittas|hittades|finns|ikke|blev)\W*.{0,30}",
            r"ページが見つかりません\W*|페이지를 찾을 수 없습니다\W*|sayfa bulunamadı\W*",
            rf".{{0,12}}{_PAGE}.{{0,4}}{_LOST}.{{0,10}}",
            r".{0,8}(?:找不到|未找到|没有找到|無法找到).{0,8}(?:页面|网页|文章|頁面|網頁|内容).{0,4}",
        ),
        text=_any(
            rf"\W*(?:\w+\W+){{0,6}}?{_THING}\W+{_ASKED}{_MISSING}",
            rf".{{0,60}}\b(?:could ?n[o'’]t|can(?:no|['’])t|unable to) find\W+(?:\w+\W+){{0,3}}{_THING}\b",
            r".{0,60}\b(?:seite|artikel|beitrag|inhalt)\b.{0,60}\b(?:nicht (?:mehr|gefunden|finden|verfügbar)|gelöscht|verschoben)\b",
            r".{0,60}\b(?:page|contenu|article|adresse)\b.{0,60}\b(?:introuvable|n['’](?:existe|est) (?:pas|plus)|supprimée?|déplacée?)\b",
            r".{0,60}\b(?:página|contenido|artículo|conteúdo|artigo|pagina)\b.{0,60}\b(?:no existe|não existe|non esiste|eliminad[ao]"
            r"|ya no está|no se (?:ha )?enc\w+|não foi|non è (?:più )?)\b",
            rf".{{0,20}}{_PAGE}.{{0,6}}{_LOST}",
            r".{0,12}(?:找不到|未找到|没有找到|無法找到).{0,10}(?:页面|网页|文章|頁面|網頁|内容)",
        ),
        path=_any(r"(?:page[-_]?)?not[-_]?found", r"(?:error[-_]?)?4(?:04|10)", r"error(?:page)?"),
    ),
    _Kind(
        error=ConsentPage,
        heading=_any(
            r"before you continue\b.*",
            r"(?:\w+\W+){0,4}cookies?[- ]?(?:consent|settings|policy|preferences|notice|wall|"
            r"einstellungen|richtlinie)(?!\w).{0,30}|cookies(?: (?:on|and) .*)?\W*",
            r"(?:\w+\W+){0,3}(?:uses?|verwende[nt]?|utilis\w+|usamos|utiliz\w+) (?:\w+ )?cookies\W*.{0,20}",
            r"(?:we (?:value|respect|care about) )?your (?:privacy|data)(?: \w+)?\W*",
            r"we and our.{0,20} partners.{0,40}|continuer sans accepter\W*|mit werbung weiterlesen\W*",
            r"privacy (?:settings|preferences|choices|cent(?:er|re)|notice)\W*|(?:your )?consent\W*",
            r"datenschutz\W?(?:einstellungen|hinweis)?\W*|(?:ihre )?(?:einwilligung|zustimmung)\W*",
            r"(?:nous respectons )?votre vie privée\W*|(?:tu|su) privacidad\W*",
            r".{0,10}(?:隐私|隱私|cookie).{0,4}(?:政策|设置|設定|声明|偏好|同意|提示).{0,8}",
        ),
        text=_any(
            r"\W*(?:\w+\W+){0,6}(?:use|uses|using|verwende[nt]|utilis\w+|utiliz\w+|usamos|使用)\W*(?:\w+\W+){0,3}cookies?",
            r".{0,20}(?:使用|接受|同意).{0,6}cookie",
            r".{0,80}\b(?:partners|partenaires|partnern?|socios|partner)\b.{0,120}(?:cookies|personal data|personenbezogen\w*|données"
            r"|information|datos|dati)",
            r".{0,80}\b(?:werbung und tracking|werbetracking)\b",
        ),
        path=_any(r"(?:cookie[-_]?)?(?:consent|wall)", r"cookies?", r"privacy[-_]?(?:gate|wall)", r"gdpr|cmp"),
    ),
    _Kind(
        error=LoginPage,
        heading=_any(
            r"(?:please )?(?:(?:sign|log)[- ]?(?:in|on)|login)\b(?!\W+\w+\W+\w+\W+\w+\W+\w+\W+\w+).*",
            r"(?:bitte )?(?:anmelden|einloggen)\W*|anmeldung\W*|(?:se )?connexion\W*|connectez-vous\W*",
            r"inici(?:ar|a|e) sesión\W*|accedi\W*|inloggen\W*|logowanie\W*|entrar\W*",
            r"вход\W*|войти\W*|авторизация\W*|ログイン\W*|로그인\W*",
            r".{0,8}(?:请先?|請先?|用户|会员|账号|账户|帐号|會員|扫码)?.{0,2}(?:登录|登陆|登入)(?:后.{0,8}|页面?|注册|\W)*",
        ),
        text=_any(
            r"\W*(?:\w+\W+){0,8}(?:sign|log)[- ]in\W+(?:\w+\W+){0,3}to (?:read|view|see|continue|access)",
            r".{0,20}(?:请|請|需要?).{0,4}(?:登录|登陆|登入)",
            r".{0,12}(?:登录|登陆|登入)后.{0,4}(?:查看|阅读|继续|可见|浏览)",
        ),
        path=_any(r"(?:user|member|account)?[-_]?(?:log|sign)[-_]?(?:in|on)", r"passport|sso|auth|oauth2?|logon"),
    ),
    _Kind(
        error=SubscriptionPage,
        heading=_any(
            r"subscribe(?: now| today| to (?:read|continue|keep)\b.*)?\W*|subscription required\W*",
            r"(?:this (?:article|content|story) is )?(?:for|only for|reserved for) subscribers\W*(?:only)?\W*",
            r"(?:article )?réservé aux abonnés\W*|abonnez-vous\b.{0,30}|nur für abonnenten\W*|jetzt abonnieren\W*",
            r"suscríbete\b.{0,30}|contenido (?:exclusivo )?para suscriptores\W*",
            r".{0,8}(?:订阅|付费|購買|购买|开通会员|訂閱)(?:后|後|即可|才能|方可)?.{0,2}(?:阅读|查看|閱讀|内容|全文).{0,6}",
        ),
        text=_any(
            r"\W*(?:\w+\W+){0,10}subscribe (?:\w+ )?to (?:read|continue|view|unlock|keep)",
            r".{0,20}(?:下载|打开).{0,10}(?:客户端|app).{0,10}(?:查看|阅读|看)全文",
            r".{0,16}(?:订阅|付费|购买|开通会员|訂閱)(?:后|後|即可|才能|方可)?.{0,4}(?:阅读|查看|閱讀)",
        ),
        path=_any(r"subscri(?:be|ption)s?", r"paywall|abo|abonnement"),
    ),
    _Kind(
        error=ChallengePage,
        heading=_any(
            r"just a moment\W*|one moment,? please\W*|attention required\b.*|access denied\W*|(?:403 )?forbidden\W*",
            r"are you (?:a )?(?:human|robot)\W*|(?:please )?verify (?:that )?you are (?:a )?human\W*",
            r"(?:security|browser) (?:check|verification)\W*|checking your browser\b.*|robot check\W*|captcha\W*",
            r"(?:site |service )?(?:temporarily )?(?:unavailable|under maintenance|maintenance)\W*|too many requests\W*",
            r"(?:451\W+)?(?:\w+\W+){0,3}unavailable (?:due to|for) legal reasons\W*|(?:we(?:['’]ll| will) )?be (?:right )?back(?: soon)?\W*",
            r".{0,30}\b(?:disable|turn off|switch off|pause)\W+(?:\w+\W+)?ad\W?block.{0,40}|ad\W?blocker? (?:detected|erkannt).{0,20}",
            r".{0,6}(?:安全|人机|身份|访问|滑块|滑动)验证.{0,6}|.{0,6}访问(?:被拒绝|受限|过于频繁|异常).{0,6}|.{0,10}维护中.{0,6}",
            r".{0,40}[您你]的访问(?:请求)?被(?:阻断|拦截|拒绝).{0,6}",
        ),
        text=_any(
            r"\W*(?:\w+\W+){0,10}(?:verify|confirm|prove) (?:that )?you(?: are|['’]re) (?:not a robot|(?:a )?human)",
            r"\W*(?:please )?(?:you (?:need|have) to )?enable (?:javascript|js)(?: and cookies)?\b",
            r".{0,60}\b(?:scheduled|undergoing|under) maintenance\b|.{0,60}\busing an? ad\W?block",
            r".{0,80}\b(?:access|visit)\w* this (?:web)?site from (?:a country|your country|the european)",
            r".{0,20}(?:请输入验证码|完成验证|拖动滑块|访问过于频繁)",
        ),
        path=_any(r"captcha|challenge|verify|blocked|denied|maintenance"),
    ),
)  # fmt: skip


def refuse_wrong_page(
    page: Page, layout: Layout, declared: Structured, title: str, text: str
) -> None:
    """Refuse a page that is not the article of its address.

    Args:
        page: The page; its entry may have the title in the listing.
        layout: Its blocks.
        declared: What it declares.
        title: The title that it was read to have.
        text: The text that it was read to have.

    Raises:
        WrongPage: It is another page.
    """
    listed = listed_title(page)
    headings = _headings(layout, declared, title)
    if listed and any(are_alike(listed, heading) for heading in headings):
        return
    if not (declared.article.get("headline") and text):
        _refuse_kinds(page, headings, title, text)
    site = " ".join((declared.meta("og:site_name")[0], *parts_of_title(declared.page_title)[1:]))
    words = " ".join((*(block.text for block in layout.blocks), *headings))
    if not is_mentioned(listed, words, site):
        found = f"a page titled {title!r} without any word of it"
        raise wrong_page(WrongPage, page, found)


def _refuse_kinds(page: Page, headings: list[str], title: str, text: str) -> None:
    is_note = len(text) <= MAX_TEXT and _addresses_reader(text)
    for kind in _KINDS:
        heading = next((one for one in headings if kind.heading.fullmatch(one)), None)
        is_short = len(text) <= MAX_TEXT_UNDER_HEADING
        if heading and is_short and _is_of_reader(heading, title, text):
            raise wrong_page(kind.error, page, f"a page with the heading {heading!r}")
        if is_note and kind.text.match(text):
            raise wrong_page(kind.error, page, f"a page that begins {text[:80]!r}")
        if _has_moved_to(page, kind.path):
            raise wrong_page(kind.error, page, f"a redirect to {page.final_url}")
    if _is_gate(page):
        found = f"a redirect to {page.final_url}, which would lead back to the article"
        raise wrong_page(WrongPage, page, found)


def _is_of_reader(heading: str, title: str, text: str) -> bool:
    is_bare = heading == title and (_size(heading) <= _MAX_BARE or heading[:3].isdigit())
    return is_bare or _READER.search(heading) is not None or _addresses_reader(f"{title}\n{text}")


def _addresses_reader(text: str) -> bool:
    """Return whether a text is a note, or addresses its reader in a third of its sentences."""
    sentences = [one for one in _SENTENCES.split(text) if one.strip()]
    count = sum(_READER.search(one) is not None for one in sentences)
    return _size(text) < _MAX_NOTE or count >= _MIN_READER_SHARE * len(sentences)


def _size(text: str) -> int:
    return len(text) + 2 * len(_HAN.findall(text))


def is_mentioned(listed: str, text: str, site: str) -> bool:
    """Return whether a page has a fifth of the words of its title in the listing.

    A title of few words proves nothing, and the name of the site does not count.
    """
    words = {word for word in words_of(listed) if len(word) > 3 or not word.isascii()}
    words -= words_of(site)
    return len(words) < _MIN_WORDS or len(words & words_of(text)) >= _MIN_LISTED_SHARE * len(words)


def wrong_page(error: type[WrongPage], page: Page, found: str) -> WrongPage:
    """Return the error for a page that is not the article of its address."""
    listed = listed_title(page)
    expected = f"the article {listed!r}" if listed else "an article"
    message = f"{page.url}: expected {expected}, found {found}"
    return error(message, expected=expected, found=found)


def listed_title(page: Page) -> str:
    """Return the title of a page in its listing; empty when it has none."""
    return html.unescape(page.entry.facts.get("title", "")) if page.entry else ""


def _headings(layout: Layout, declared: Structured, title: str) -> list[str]:
    """Return the titles of a page without the name of its site, the short ones."""
    titles = [title, declared.page_title, declared.meta("og:title")[0]]
    found = [block.text for block in layout.blocks if block.box.tag == "h1"][:3]
    found += [part for one in titles for part in (one, *parts_of_title(one)[:1])]
    return [one.strip() for one in dict.fromkeys(found) if 0 < len(one) <= _MAX_HEADING]


def _has_moved_to(page: Page, path: re.Pattern[str]) -> bool:
    """Return whether a redirect leads to such a path, which the address does not have."""
    if not page.final_url or page.final_url == page.url:
        return False
    before, after = (_segments(url) for url in (page.url, page.final_url))
    return any(path.fullmatch(one) for one in after) and not any(map(path.fullmatch, before))


def _is_gate(page: Page) -> bool:
    """Return whether a redirect leads to a page that has the path of the article as a parameter."""
    path, final = urlsplit(page.url).path, urlsplit(page.final_url)
    return len(path) > 1 and path in unquote(final.query) and path not in final.path


def _segments(url: str) -> list[str]:
    parts = urlsplit(url)
    host, *_ = (parts.hostname or "").split(".")
    return [host] + [part.rpartition(".")[0] or part for part in parts.path.split("/") if part]
