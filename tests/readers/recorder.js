// Loaded before the page's own scripts: keeps, as an attribute of the document, each text that is written on a canvas with the
// colour of what was filled last, which is the box that it stands in.
const drawn = [];
const { fill, fillText } = CanvasRenderingContext2D.prototype;
let colour = "";
CanvasRenderingContext2D.prototype.fill = function (...given) {
  colour = this.fillStyle;
  return fill.apply(this, given);
};
CanvasRenderingContext2D.prototype.fillText = function (text, ...given) {
  drawn.push([text, colour]);
  document.documentElement.dataset.drawn = JSON.stringify(drawn);
  return fillText.call(this, text, ...given);
};
