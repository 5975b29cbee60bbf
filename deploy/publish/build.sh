#!/bin/sh
# build.sh jekyll|hexo|hugo|site: build the site of this folder into public/, for a job of CI.
# A generator that is missing is installed: Jekyll, Hugo and npm from Debian or Ubuntu,
# Hexo as package-lock.json pins it. "site" needs none: copydesk has written public/ itself.
set -eu
install() {
    command -v "$1" >/dev/null && return
    sudo=
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -qq
    $sudo apt-get install -y -qq --no-install-recommends "$1"
}
case ${1:-} in
jekyll)
    install jekyll
    jekyll build --destination public
    ;;
hexo)
    install npm
    [ -d node_modules ] || npm ci --no-audit --no-fund
    # A date without a zone is of the zone of this process.
    TZ=UTC node_modules/.bin/hexo generate
    ;;
hugo)
    install hugo
    hugo --destination public
    ;;
site)
    if [ ! -e public/index.html ]; then
        echo 'build.sh: no public/index.html: set format = "site" and folder = "public" in [publish.NAME]' >&2
        exit 1
    fi
    ;;
*)
    echo "usage: build.sh jekyll|hexo|hugo|site" >&2
    exit 2
    ;;
esac
