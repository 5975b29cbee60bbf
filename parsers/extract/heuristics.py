"""What extraction knows before it reads a page: tags, class names, phrases and hosts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

SKIPPED = frozenset(
    {
        "script", "style", "noscript", "template", "svg", "math", "iframe", "object",
        "applet", "canvas", "head", "select", "option", "optgroup", "datalist", "textarea",
        "button", "input", "audio", "video", "map", "title", "dialog",
    }
)  # fmt: skip
"""Elements whose text is not part of the visible text."""

BLOCKS = frozenset(
    {
        "html", "body", "address", "article", "aside", "blockquote", "center", "dd", "details",
        "dialog", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer",
        "form", "frameset", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "hr", "li",
        "main", "menu", "nav", "ol", "p", "pre", "section", "summary", "table", "tbody", "td",
        "tfoot", "th", "thead", "tr", "ul", "caption",
    }
)  # fmt: skip
CONTAINERS = frozenset(
    {
        "body", "article", "center", "div", "form", "main", "section", "td", "blockquote",
        "fieldset", "table", "tbody", "details",
    }
)  # fmt: skip
HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
SUSPECT_TAGS = frozenset({"nav", "aside", "footer", "figure", "figcaption", "menu"})

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_NEGATED = re.compile(
    r"\b(?:has|no|with|without|enable|disable|js|is|single|hide|show|elementor)[-_]+[\w-]+", re.I
)

_SUSPECT = frozenset(
    {
        "ad", "ads", "advert", "adverts", "advertisement", "advertising", "adsense", "adslot",
        "adunit", "advertorial", "banner", "sponsor", "sponsored", "sponsors", "promo",
        "promos", "promoted", "promotion", "comment", "comments", "commentlist", "commentary",
        "disqus", "respond", "reply", "replies", "pinglun", "talkback", "share", "shares",
        "sharing", "sharebar", "sharetools", "sharethis", "addthis", "addtoany", "social",
        "socials", "sns", "fenxiang", "jiathis", "bdshare", "bdsharebuttonbox", "wechat",
        "weibo", "facebook", "twitter", "whatsapp", "pinterest", "related", "relate",
        "relatednews", "recommend", "recommended", "recommendation", "recommendations",
        "recirc", "recirculation", "outbrain", "taboola", "popular", "trending", "mostread",
        "mostviewed", "hot", "hotnews", "tuijian", "xiangguan", "similar", "readnext", "upnext",
        "newsletter", "newsletters", "subscribe", "subscription", "signup", "optin", "sidebar",
        "footer", "foot", "nav", "navbar", "navigation", "subnav", "navi", "topnav",
        "breadcrumb", "breadcrumbs", "crumb", "crumbs", "pagination", "pager", "paging",
        "paginate", "toolbar", "tools", "tooltip", "taglist", "tagcloud", "keywords", "byline",
        "bylines", "dateline", "timestamp", "pubdate", "authorbox", "bio", "biography",
        "caption", "captions", "credit", "credits", "copyright", "modal", "popup", "overlay",
        "cookie", "cookies", "consent", "gdpr", "login", "register", "rating", "ratings",
        "vote", "votes", "poll", "carousel", "slideshow", "slider", "lightbox", "masthead",
        "skip", "noprint", "screenreader",
    }
)  # fmt: skip
_SUSPECT_PAIRS = re.compile(
    r"(?:read|see|view|load)[-_]?(?:more|also|next)|more[-_]?(?:news|stories|articles|from|on|posts|links)"
    r"|(?:article|post|entry|news|content|story)[-_]?(?:meta|info|tags|footer|share|header|nav|tools|links|byline)"
    r"|(?:author|post|about)[-_]?(?:author|bio|box|card|info|profile)|author[-_]desc"
    r"|(?:next|prev|previous)[-_]?(?:post|article|page|news)|(?:visually|sr|screen)[-_](?:hidden|only|reader)"
    r"|(?:tag|tags)[-_]?(?:list|links|cloud|box|wrap|container)|print[-_]?(?:only|button)"
    r"|(?:image|img|photo|picture|pic|media)[-_]?(?:caption|credit|text|desc|title|info|source)|wp-caption-text"
    r"|(?:top|side|right|left|bottom|main|page|site)[-_]?(?:bar|menu|nav|links)\b"
    r"|(?:table[-_]of[-_]contents|\btoc\b|ez-toc)|screen-reader",
    re.ASCII,
)
_HINT = re.compile(
    r"(?:article|story|post|entry|news|content|page|blog|detail|main|rich)[-_]{0,2}"
    r"(?:body|content|text|txt|copy|detail|con|paragraphs)\b"
    r"|\b(?:articletext|bodytext|body-copy|maintext|newstext|rich-?text|e-content|articlebody|storybody|endtext|artibody"
    r"|js_content|zoom|wysiwyg|content_area|contentmain)\b",
    re.ASCII,
)

# Boxes around posts of social networks that the article quotes.
_QUOTED_POST = re.compile(
    r"(?:twitter|facebook|instagram|tiktok|weibo)[\w-]{0,20}embed"
    r"|embed[\w-]{0,20}(?:twitter|facebook|instagram|tiktok|weibo)"
)
_NEGATION = re.compile(
    r"\b(?:has|no|with|without|enable|disable|js|is|single|hide|show|elementor)[-_]", re.ASCII
)
_STRONG = _SUSPECT - {"tools", "hot", "popular", "banner", "ad", "foot", "skip", "commentary"}

_NEVER = frozenset(
    {
        "comment", "comments", "commentlist", "disqus", "respond", "reply", "replies", "pinglun",
        "talkback", "promo", "promos", "promoted", "promotion", "advert", "adverts",
        "advertisement", "sponsor", "sponsored", "footer", "foot", "nav", "navbar", "navigation",
        "cookie", "cookies", "consent", "gdpr", "newsletter", "subscribe", "subscription",
        "login", "register",
    }
)  # fmt: skip
SUSPECT, PLAIN, HINT = -1, 0, 1
_MAX_NAMES = 300


def is_never_article(names: str) -> bool:
    """Return whether class and id name comments, promotion or legal text, however long."""
    return not _NEVER.isdisjoint(word.lower() for word in _WORD.findall(names[:_MAX_NAMES]))


# Evidence of one class name, weakest first; the strongest in a list of names counts.
_NONE, _WEAK, _TEXT, _ASIDE, _QUOTED = range(5)
_VERDICTS = (PLAIN, SUSPECT, HINT, SUSPECT, PLAIN)


@lru_cache(maxsize=20_000)
def class_hint(names: str) -> int:
    """Return ``SUSPECT`` (not the article), ``HINT`` (its text) or ``PLAIN`` for class and id."""
    return _VERDICTS[max(map(_evidence, names[:_MAX_NAMES].split()), default=_NONE)]


@lru_cache(maxsize=50_000)
def _evidence(name: str) -> int:
    lower = name.lower()
    if "tweet" in lower or _QUOTED_POST.search(lower):
        return _QUOTED
    if _NEGATION.search(lower):
        name = _NEGATED.sub(" ", name)
        lower = name.lower()
    words = {word.lower() for word in _WORD.findall(name)}
    if not _STRONG.isdisjoint(words) or _SUSPECT_PAIRS.search(lower):
        return _ASIDE
    if _HINT.search(lower):
        return _TEXT
    return _NONE if _SUSPECT.isdisjoint(words) else _WEAK


END_MATTER = re.compile(
    r"^[\W_]{0,4}(?:"
    r"related\b|read (?:more|next|also|the full)|more (?:\w+ ){1,2}stories\W*$|more (?:from|on|stories|news|in|about|articles|like)\b"
    r"|see also|also (?:read|see|on)\b|recommended|you (?:may|might) (?:also )?(?:like|be interested|enjoy)"
    r"|(?:create|register|sign in|log in)\b.{0,40}\bto (?:continue|unlock|read)\b|this (?:content|article|story) is (?:(?:reserved |exclusive |only )*(?:for|to) (?:subscribers|members)|free to read)"
    r"|\d*\s*comments?\b(?:\W|$)|leave a (?:reply|comment)|join (?:the|our) (?:conversation|discussion|comment)"
    r"|share (?:this|on|via|:|with)|about the author|latest (?:news|stories|posts|articles|from)"
    r"|(?:most )?(?:popular|read|viewed|shared)(?: (?:posts|stories|articles|news|now))?$|trending"
    r"|tags?\s*:|filed under|posted in|topics?\s*:|sign up|subscribe|newsletter|follow (?:us|me)|what to read next|up next"
    r"|previous (?:post|article|story)|next (?:post|article|story)|advertisement$|sponsored"
    r"|mehr (?:zum thema|aus|von|zu)|lesen sie auch|das könnte (?:sie|dich)|kommentare?\b|auch interessant"
    r"|weitere (?:artikel|meldungen|nachrichten|themen)|ähnliche|teilen|schlagworte|verwandte|zum thema"
    r"|(?:à )?lire aussi|sur le même (?:sujet|thème)|commentaires?\b|partager|à voir aussi|articles? (?:similaires|liés)"
    r"|lea también|te puede interesar|comentarios?\b|noticias relacionadas|compartir|más (?:noticias|información)"
    r"|leggi anche|commenti\b|potrebbe interessarti|condividi|leia (?:também|mais)|veja também|compartilhe"
    r"|читайте также|комментари[ий]|по теме|похожие|другие новости|поделиться|теги|смотрите также|самое читаемое|последние новости|новости партнеров"
    r"|czytaj (?:także|również|też|więcej)|komentarz[ey]|zobacz (?:także|też|również)|podziel się|polecamy|powiązane|przeczytaj"
    r"|διαβάστε (?:επίσης|ακόμα|και)|σχόλια|σχετικά|δείτε (?:επίσης|ακόμα)|κοινοποίηση"
    r"|läs (?:mer|också|även)|kommentarer|dela|les også|læs også|lue myös|lees ook|baca juga|okuyun"
    r"|相关(?:新闻|阅读|文章|链接|专题|推荐|报道|资讯|内容|搜索|标签|视频)|相關(?:新聞|閱讀|文章|連結|報導|標籤|標簽|資訊)"
    r"|(?:推荐|延伸|延展|扩展|更多|热门|精彩|编辑|猜你|大家都在|今日|最新|热点|本文)(?:阅读|推荐|新闻|喜欢|看|热点|文章|资讯|内容|标签|视频|评论)"
    r"|(?:推薦|延伸|更多|熱門|精彩|其他|最新)\S{0,4}(?:閱讀|推薦|新聞|文章|資訊)|网友评论|我要评论|发表评论|最新评论|网友跟帖|跟贴|評論|評分|留言"
    r"|版权(?:声明|所有|与免责)|免责声明|特别声明|郑重声明|分享(?:到|至|：|:|\|)|上一篇|下一篇|返回(?:首页|列表)|打印本页|【打印|关闭窗口|【?(?:字体|字号)"
    r"|关键[词字]|标签[:：]|關鍵字|热词|関連(?:記事|ニュース)|おすすめ|コメント|シェア"
    r")",
    re.I,
)
"""A short line that opens the part after the article."""

RIGHTS = re.compile(
    r"(?:未经|未經|不得|严禁|嚴禁|禁止)\S{0,24}(?:转载|轉載|摘编|镜像|复制|使用)|版[权權]均?(?:属|归|屬|歸|所有)"
    r"|不代表(?:本|我|.{1,8})(?:网|网站|站|報|报|平台|公司|立场|觀點|观点|網)|与(?:本网|本站|\S{2,4}网)\S{0,4}无关"
    r"|(?:凡|如).{0,10}(?:注明|註明).{0,30}(?:来源|稿件|作品)|文责自负|仅供(?:参考|读者参考)|欢迎.{0,10}(?:投稿|来电|爆料)"
    r"|侵权.{0,12}(?:联系|删除)|联系.{0,8}删除|信息存储(?:空间)?服务|the content above .{0,60}uploaded"
    r"|all rights reserved|may not be (?:published|reproduced|republished)|alle rechte vorbehalten|tous droits réservés"
    r"|все права защищены|wszelkie prawa zastrzeżone|todos los derechos reservados|tutti i diritti riservati"
    r"|empfohlener redaktioneller inhalt|externe[nr]? inhalt|einverstanden, dass mir|um eingebettete inhalte"
    r"|この記事.{0,12}転載",
    re.I,
)
"""A copyright notice or disclaimer, removed after and between the paragraphs."""

_RIGHTS_WORDS = (
    "未经", "未經", "不得", "侵权", "删除", "信息存储", "the content above", "严禁", "嚴禁", "禁止", "版权", "版權", "不代表", "无关", "注明", "註明",
    "文责自负", "仅供", "欢迎", "rights", "may not be", "rechte vor", "droits r", "права", "prawa",
    "derechos", "diritti", "redaktionell", "extern", "einverstanden", "eingebettet", "この記事",
)  # fmt: skip


def is_rights_notice(text: str) -> bool:
    """Return whether RIGHTS matches; plain searches first, because most texts have no such word."""
    lower = text.lower()
    return any(map(lower.__contains__, _RIGHTS_WORDS)) and RIGHTS.search(text) is not None


NOISE = re.compile(
    r"^[\W_]{0,4}(?:"
    r"(?:click|tap) (?:here|to)\b|sign up (?:for|to|here)|subscribe (?:to|now|for)|follow (?:us|me|\w+ on)\b|share this"
    r"|(?:©|copyright\W*(?:©|\(c\)|\d|by\b)|\(c\)\s)|all rights reserved|advertisement\W*\d*$|this (?:article|story|post) (?:was|is|has|may|contains) .{0,60}(?:affiliate|commission)"
    r"|(?:we|i) (?:may|might) (?:earn|receive|get) .{0,50}commission|enable javascript|your browser (?:is (?:out|not supp)|does)|this site uses cookies"
    r"|download (?:our|the) .{0,20}app|watch(?: now)?:|related:|read more|read also|also read|see also|more:|story continues|continue reading|scroll (?:down|to)"
    r"|(?:lesen sie|lire aussi|leggi anche|lea también|leia também|читайте также|czytaj także|läs mer|läs också|baca juga|διαβάστε)\b"
    r"|(?:photo|image|picture|foto|bild|фото|credit|source|quelle|fot)s?\s*[:/©]"
    r"|(?:责任编辑|责编|编辑|校对|监制|制片|值班编辑|原标题|原標題|編輯|责任编缉|来源|稿源|本文来源|文章来源|图片来源|图源|资料图|出处)\s*[:：]"
    r"|[（(](?:责任?编辑?|编辑|实习编辑|责任编辑|本文来源|来源|文章来源|原标题|编校|完)[:：)）]"
    r"|.{0,20}(?:開設|开设|加入|追蹤|关注|關注|按讚)\S{0,6}(?:facebook|臉書|微信|微博|line)\S{0,4}(?:專頁|专页|粉絲|好友|公众号|帳號)"
    r"|(?:扫|掃)\S{0,6}(?:二维码|二維碼|码)|(?:欢迎|敬请|点击|长按|立即)?(?:关注|關注|加入|订阅|下载)\S{0,16}(?:公众号|微信|微博|客户端|APP|粉絲)|更多\S{0,20}(?:请|敬请|尽在|點擊|点击)"
    r"|(?:点击|點擊)(?:查看|进入|此处|图片|下一页|這裡)|(?:声明|聲明|免责|版权|特别声明|注|提示)[:：].{0,60}(?:转载|版权|不代表|侵权|仅供)"
    r"|[（(]?\d{4}[-/年.]\d{1,2}[-/月.]\d{1,2}日?\s*(?:\d{1,2}:\d{2}(?::\d{2})?)?[)）]?\s*(?:来源|來源|字号|我要评论|作者|$)"
    r"|(?:作者|记者|文|来源)[:：/]\s*\S{1,20}$|(?:已有|有)?\d*人?(?:参与|評論|评论)\s*$"
    r")",
    re.I,
)
"""A line that is removed anywhere."""

META = re.compile(
    r"(?:\b(?:19|20)\d\d\b.{0,40}(?:来源|來源|作者|编辑|出处|\bby\b|views|comments|reads)|^(?:by|von|par|por|di|av|от|автор)[: ]\s*\S+(?: \S+){0,4}$"
    r"|^(?:posted|published|updated|last updated|aktualisiert|veröffentlicht|publié|опубликовано|(?:发布|发表|更新|發布|發表|發佈)?(?:时间|時間)|日期).{0,60}$"
    r"|\d+\s*(?:min(?:ute)?s?)\s*read|阅读(?:量|数|次数)?[:：(（]?\s*\d+|浏览(?:次数|量)?[:：]?|点击(?:数|量|次数)?[:：])",
    re.I,
)
"""A short line with time, author or number of views."""

SHANGHAI = "Asia/Shanghai"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What is known about the pages of a publisher.

    Attributes:
        zone: The time zone of times without one; empty when unknown.
        bodies: Ids and class names of the element around the text.
    """

    zone: str = ""
    bodies: frozenset[str] = frozenset()


def _china(*bodies: str) -> Host:
    return Host(zone=SHANGHAI, bodies=frozenset(bodies))


# Hints, not conditions: a page of a listed host with another layout is extracted like any other.
HOSTS: Mapping[str, Host] = MappingProxyType(
    {
        "163.com": _china("endText", "post_body"),
        "sina.com.cn": _china("artibody", "article"),
        "sina.cn": _china("artibody"),
        "people.com.cn": _china("rwb_zw", "rm_txt_con"),
        "people.cn": _china("rwb_zw", "rm_txt_con"),
        "qq.com": _china("Cnt-Main-Article-QQ", "content-article"),
        "mp.weixin.qq.com": _china("js_content"),
        "xinhuanet.com": _china("p-detail", "detail"),
        "news.cn": _china("p-detail", "detail"),
        "thepaper.cn": _china("news_txt"),
        "ifeng.com": _china("main_content", "artical_topic"),
        "hexun.com": _china("art_contextBox"),
        "stcn.com": _china("ctrlfscont"),
        "mydrivers.com": _china("news_info"),
        "gmw.cn": _china("contentMain"),
        "baijiahao.baidu.com": _china("article-content"),
        "eastmoney.com": _china("ContentBody"),
        "woshipm.com": _china(),
        "ofweek.com": _china(),
        "toutiao.com": _china("article-content"),
        "guancha.cn": _china(),
        "huanqiu.com": _china(),
        "cctv.com": _china(),
        "chinanews.com": _china(),
        "chinanews.com.cn": _china(),
        "caixin.com": _china(),
        "yicai.com": _china(),
        "cls.cn": _china(),
        "36kr.com": _china(),
        "sohu.com": _china(),
        "gov.cn": _china(),
    }
)
_NOTHING = Host()


def host_facts(host: str) -> Host:
    """Return what is known about a host or the nearest listed domain above it."""
    labels = host.lower().strip(".").split(".")
    for start in range(len(labels)):
        if known := HOSTS.get(".".join(labels[start:])):
            return known
    return _NOTHING
