// Takes the access key of an invitation (`#access=…`) out of the address and the history, before anything else runs. ES5.
(function () {
  'use strict';

  var PART = /^access=/;

  function parts() {
    return location.hash.replace(/^#/, '').split('&');
  }

  function hasKey() {
    return parts().some(function (part) { return PART.test(part); });
  }

  // The key stays in this variable until the app takes it. An unreadable one becomes empty, which no server accepts.
  function take() {
    var keys = parts().filter(function (part) { return PART.test(part); });
    var others = parts().filter(function (part) { return part !== '' && !PART.test(part); });
    var fragment = others.length ? '#' + others.join('&') : '';
    history.replaceState(history.state, '', location.pathname + location.search + fragment);
    try {
      window.hutongAccessKey = keys.length === 1 ? decodeURIComponent(keys[0].replace(PART, '')) : '';
    } catch (error) {
      window.hutongAccessKey = '';
    }
  }

  if (hasKey()) take();
  // A link that is opened in a tab with this page changes the fragment alone.
  window.addEventListener('hashchange', function () {
    if (hasKey()) location.reload();
  });
})();
