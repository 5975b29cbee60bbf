"""Pages in the place of an article: each kind is refused, and no article is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from parsers import registry
from parsers.errors import (
    ChallengePage,
    ConsentPage,
    LoginPage,
    SoftNotFound,
    SubscriptionPage,
    WrongPage,
)
from parsers.model import Article, Entry, Page

URL = "https://gazette.example/2026/ferry"
LISTED = "Ferry returns to the northern harbour"
ARTICLE = (
    "<p>The ferry came back to the northern harbour on Monday, and people waved to it.</p>"
    "<p>Its owner said that the engine was replaced, and that the first crossing is on Friday.</p>"
)
FILLER = "<p>You can go back to the home page or use the search to find it.</p>"


def read(
    html: str, *, listed: str = "", url: str = URL, final_url: str = "", parser: str = "generic"
) -> Article:
    source = registry.make_source("gazette", parser, {"url": URL} if parser == "feed" else {})
    facts = {"title": listed, "published": "", "author": "", "category": "", "guid": ""}
    entry = Entry(source_article_id=url, channel="feed", url=url, link=url, facts=facts)
    page = Page(
        url=url,
        final_url=final_url,
        text=html,
        fetched_at=datetime(2026, 3, 10, tzinfo=UTC),
        entry=entry,
    )
    return registry.parse(source, page)


def html_of(heading: str, body: str = FILLER, *, title: str = "", head: str = "") -> str:
    return (
        f"<html><head><title>{title or heading} | Harbour Gazette</title>{head}</head>"
        f"<body><main><h1>{heading}</h1>{body}</main></body></html>"
    )


HEADINGS = {
    SoftNotFound: (
        "Page not found", "404", "Error 404", "404 - Page not found", "404 Not Found", "Not found",
        "This page is no longer available", "The page you requested could not be found",
        "Sorry, the article you are looking for does not exist", "Oops! 404",
        "We can't find that page", "Seite nicht gefunden", "404: Seite nicht gefunden",
        "Page introuvable", "Página no encontrada", "Página não encontrada", "Pagina non trovata",
        "Страница не найдена", "Nie znaleziono strony", "ページが見つかりません",
        "页面不存在", "您访问的页面不存在", "抱歉，您访问的网页找不到了", "该内容已被删除", "文章不存在或已被删除",
        "找不到页面", "此信息已下线", "頁面不存在", "404 页面未找到",
    ),
    ConsentPage: (
        "Before you continue to Harbour Gazette", "Cookie settings", "Your privacy",
        "We value your privacy", "This site uses cookies", "Datenschutzeinstellungen",
        "Votre vie privée", "隐私政策提示", "Cookie 设置",
    ),
    LoginPage: (
        "Sign in", "Log in to continue", "Please log in", "Login", "Anmelden", "Connexion",
        "Iniciar sesión", "请登录", "请先登录", "用户登录", "登录后查看", "會員登入", "ログイン",
    ),
    SubscriptionPage: (
        "Subscribe to continue reading", "This article is for subscribers only",
        "Article réservé aux abonnés", "Nur für Abonnenten", "订阅后阅读全文", "付费阅读", "开通会员后查看全文",
    ),
    ChallengePage: (
        "Just a moment...", "Access denied", "403 Forbidden", "Are you a robot?",
        "Verify you are human", "安全验证", "访问被拒绝", "系统维护中",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("error", "heading"),
    [(error, heading) for error, headings in HEADINGS.items() for heading in headings],
)
def test_heading_of_another_kind_of_page_is_refused(error: type[WrongPage], heading: str):
    for listed in ("", LISTED):
        with pytest.raises(error) as caught:
            read(html_of(heading), listed=listed)
        assert caught.value.reason == error.reason != WrongPage.reason


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (SoftNotFound, "The page you are looking for does not exist. Please use the search."),
        (SoftNotFound, "很抱歉，您要访问的页面不存在，请返回首页继续浏览其他新闻。"),
        (LoginPage, "Please sign in to read this article. It takes a minute, and it is free."),
        (LoginPage, "请登录后查看全文，新用户请先注册账号，注册只需要一分钟时间。"),
        (ConsentPage, "We use cookies to deliver our services and to measure the ads on them."),
        (
            SubscriptionPage,
            "Please subscribe now to read this article and all the others of today.",
        ),
        (SubscriptionPage, "本文为会员内容，订阅后阅读全文，每月只需要九元，可以随时取消。"),
        (ChallengePage, "Please enable JavaScript and cookies to continue to this site of ours."),
        (
            SoftNotFound,
            "We looked everywhere, but could not find the page that you asked for today.",
        ),
        (
            SoftNotFound,
            "Leider konnten wir die gewünschte Seite nicht finden. Nutzen Sie bitte die Suche.",
        ),
        (
            SoftNotFound,
            "Le contenu demandé n'existe plus. Vous pouvez revenir à la page de tête du journal.",
        ),
        (
            SoftNotFound,
            "La página que buscas no existe, o su dirección ha cambiado desde la primavera.",
        ),
        (
            SoftNotFound,
            "亲，您访问的内容飞到火星去了，系统将在五秒之后自动跳转到网站的首页，请等待一下。",
        ),
        (
            ConsentPage,
            "We and our partners store information on a device, such as cookies of many kinds.",
        ),
        (
            ConsentPage,
            "Avec votre accord, nous et nos partenaires utilisons des cookies et des traceurs.",
        ),
        (
            SubscriptionPage,
            "请下载客户端查看全文，打开手机应用商店搜索本报，安装之后就可以继续阅读。",
        ),
        (
            ChallengePage,
            "Our site is undergoing scheduled maintenance, and we will be back in an hour.",
        ),
        (
            ChallengePage,
            "We noticed that you are using an ad blocker. Please turn it off for this site.",
        ),
        (
            ChallengePage,
            "You are attempting to access this website from a country of the union, we see.",
        ),
    ],
)
def test_short_text_of_another_kind_of_page_is_refused(error: type[WrongPage], text: str):
    with pytest.raises(error):
        read(html_of("Harbour Gazette", f"<p>{text}</p>"))


@pytest.mark.parametrize(
    ("final_url", "error"),
    [
        ("https://gazette.example/login?next=%2F2026%2Fferry", LoginPage),
        ("https://gazette.example/consent?to=1", ConsentPage),
        ("https://gazette.example/404.html", SoftNotFound),
        ("https://passport.gazette.example/sso/start", LoginPage),
        ("https://gazette.example/subscribe", SubscriptionPage),
    ],
)
def test_redirect_to_another_kind_of_page_is_refused(final_url: str, error: type[WrongPage]):
    with pytest.raises(error):
        read(html_of("Willkommen bei uns", ARTICLE), final_url=final_url)


def test_redirect_that_would_lead_back_to_the_article_is_refused():
    final_url = "https://gazette.example/gate?return=https%3A%2F%2Fgazette.example%2F2026%2Fferry"
    gate = html_of(
        "Choices", "<p>Partners show advertisements that suit the readers of stories.</p>"
    )

    with pytest.raises(WrongPage):
        read(gate, final_url=final_url)
    assert read(html_of(LISTED, ARTICLE), listed=LISTED, final_url=final_url).title == LISTED


@pytest.mark.parametrize("listed", ["", LISTED])
def test_redirect_to_the_front_page_is_refused(listed: str):
    front = html_of("Market closes for a day", ARTICLE, title="Harbour Gazette")

    with pytest.raises(WrongPage):
        read(front, listed=listed, final_url="https://gazette.example/")


def test_front_page_that_declares_its_first_article_is_not_another_one():
    head = '<meta property="og:type" content="article">'
    front = html_of("Market closes for a day", ARTICLE, head=head)

    with pytest.raises(WrongPage):
        read(front, listed=LISTED, final_url="https://gazette.example/")
    title = "Market closes for a day"
    assert read(front, listed=title, final_url="https://gazette.example/").title == title


@pytest.mark.parametrize(
    ("listed", "heading", "body"),
    [
        (LISTED, "Strona w przebudowie", "<p>Zapraszamy ponownie jutro, przepraszamy za to.</p>"),
        (
            "渡轮周一重返北方港口",
            "内容升级",
            "<p>本站正在升级，请您明天再来看看，谢谢您的理解。</p>",
        ),
        (LISTED, "Quiz of the day", "<p>Can you answer each of these ten easy questions?</p>"),
    ],
)
def test_page_without_a_word_of_the_listed_title_is_refused(listed: str, heading: str, body: str):
    with pytest.raises(WrongPage):
        read(html_of(heading, body), listed=listed)


@pytest.mark.parametrize(
    ("listed", "heading"),
    [
        ("", LISTED),
        (LISTED, "Boat back in service"),  # another headline for the same text
        ("Page not found", "Page not found"),
        ("Sign in", "Sign in"),
        ("Update", "Boat back in service"),
        ("", "404 Media raises money for its harbour desk"),
        ("", "Story of a village that no longer exists"),
        ("", "Chocolate chip cookies"),
        ("", "外交部新闻发言人称问题不存在"),
        ("", "我省新闻出版社登录资本市场"),
        ("", "Login hours of harbour clerks are too long, the union of the clerks says"),
        ("", "Your data, their harbour"),
    ],
)
def test_article_is_not_refused(listed: str, heading: str):
    assert read(html_of(heading, ARTICLE), listed=listed).title == heading


@pytest.mark.parametrize(
    ("heading", "text"),
    [
        (
            "Browser uses fewer cookies",
            "The browser will use fewer cookies from next year, its maker said on Monday in a note. "
            "Advertisers complained about the plan, and regulators want to look at it once more.",
        ),
        (
            "Cookie consent banners break the law",
            "A court ruled on Monday that the cookie consent banners of three publishers are illegal. "
            "The publishers want to appeal, and said that readers had the choice to refuse.",
        ),
        (
            "某作者文章被删除后道歉",
            "该文章已被删除，作者周一晚间道歉，说没有核实消息来源。平台说，将对账号作出处理，并提醒用户不要转发。",
        ),
        (
            "登录系统故障，旅客排起长队",
            "渡轮公司的登录系统周一上午出现故障，旅客无法取票，码头排起了长队。公司让旅客到柜台办理，并退还手续费。",
        ),
    ],
)
def test_article_about_such_pages_does_not_address_its_reader(heading: str, text: str):
    assert read(html_of(heading, f"<p>{text}</p>")).title == heading


def test_declared_article_is_not_refused_for_its_heading():
    declared = '{"@type": "NewsArticle", "headline": "Page not found"}'
    head = f'<script type="application/ld+json">{declared}</script>'

    assert read(html_of("Page not found", ARTICLE, head=head)).title == "Page not found"


def test_redirect_to_another_address_of_the_article_is_not_refused():
    final_url = "https://www.gazette.example/news/ferry-returns"

    assert read(html_of(LISTED, ARTICLE), listed=LISTED, final_url=final_url).title == LISTED


def test_feed_refuses_the_page_of_its_link():
    with pytest.raises(SoftNotFound):
        read(html_of("Page not found"), listed=LISTED, parser="feed")
