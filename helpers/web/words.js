// Wakes every player on the page that still sleeps: no identifiers, so none can clash.
document.querySelectorAll(".asr-words:not([data-awake])").forEach(function (box) {
  box.dataset.awake = "";
  var sound = box.querySelector("audio"), context = null, decoded = null, turn = 0;
  var stop = function () {};
  document.addEventListener("play", function () { turn++; stop(); }, true);
  function load() {
    if (decoded) return decoded;
    context = new (window.AudioContext || window.webkitAudioContext)();
    var bytes = Uint8Array.from(atob(sound.src.split(",")[1]), function (c) { return c.charCodeAt(0); });
    return decoded = context.decodeAudioData(bytes.buffer);
  }
  Array.from(box.querySelectorAll("span.asr-word")).forEach(function (word) {
    var button = document.createElement("button");
    button.type = "button";
    button.className = word.className;
    button.title = word.title;
    button.append.apply(button, Array.from(word.childNodes));
    button.dataset.start = word.dataset.start;
    button.dataset.end = word.dataset.end;
    word.replaceWith(button);
    button.addEventListener("click", function () {
      var start = +button.dataset.start, length = Math.max(+button.dataset.end - start, 0.02);
      var mine = ++turn;
      document.querySelectorAll("audio").forEach(function (other) { other.pause(); });
      stop();
      load().then(function (buffer) {
        if (mine !== turn) return;
        context.resume();
        var source = context.createBufferSource();
        source.buffer = buffer;
        source.connect(context.destination);
        var off = function () { button.setAttribute("aria-pressed", "false"); };
        stop = function () { source.onended = null; source.stop(); off(); };
        source.onended = off;
        button.setAttribute("aria-pressed", "true");
        source.start(0, start, length);
        box.dataset.played = start + " " + length;
      });
    });
  });
});
